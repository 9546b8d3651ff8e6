"""`python -m tests.faults.campaign --kills N --seed S`: kills at random, then looks for what went wrong.

Kills the driver, interrupts it, or kills a worker, at random times, and gives the command again until the
sweep is done; then sweeps into a new record, with the same storage, until N kills were made and the last
sweep is done. Every record is compared with that of a sweep that nothing happened to.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from ablation.ledger import Ledger
from t1t2core.cohort.phantom import write_phantom
from tests.conftest import PHANTOM_HEADS, PHANTOM_VOXEL_MM, PHANTOM_WITH_T2W
from tests.faults.bench import Bench, Comparison, Result, compare
from tests.faults.commands import Command, alive, family, wait_until

EARLY = 0.2
"""Share of kills that come at any time, most of them before the first trial; the others hit trials."""
LONGEST_START_SECONDS = 20.0
LONGEST_RUN_SECONDS = 3.0


@dataclass
class Campaign:
    """Kills until enough were made.

    Args:
        kills: to be made.
        undisturbed: what each sweep should record.
        new_bench: makes one with an empty record; all have the same storage.
    """

    kills: int
    random: random.Random
    undisturbed: dict[str, list[Result]]
    new_bench: Callable[[int], Bench]
    made: int = 0
    by_kind: dict[str, int] = field(default_factory=dict)

    def run(self) -> list[Comparison]:
        """A comparison a sweep."""
        comparisons: list[Comparison] = []
        while self.made < self.kills or not comparisons:
            bench = self.new_bench(len(comparisons))
            with closing(bench):
                self._sweep(bench)
            comparisons.append(compare(bench, self.undisturbed))
            done = f"{self.made} kills, {len(comparisons)} sweeps"
            print(f"{done}, {'as undisturbed' if comparisons[-1].passed else comparisons[-1]}", flush=True)
        return comparisons

    def _sweep(self, bench: Bench) -> None:
        """Gives the command until the sweep is done, and disturbs it."""
        status = None
        while status != 0:
            command = bench.start()
            if self.made < self.kills:
                self._disturb(bench, command)
            status = command.wait()
            if status not in (0, 130, -signal.SIGKILL) or "Traceback" in command.said:
                raise RuntimeError(f"status {status}\n{command.said}")

    def _disturb(self, bench: Bench, command: Command) -> None:
        """Waits for a random time, then kills something; nothing if the sweep is done before."""
        before = bench.all_steps()
        if self.random.random() < EARLY:
            self._wait(command, self.random.uniform(0, LONGEST_START_SECONDS))
        else:
            wait_until(lambda: bench.all_steps() != before or command.over, "the first step")
            self._wait(command, self.random.uniform(0, LONGEST_RUN_SECONDS))
        kind = self.random.choice(("driver killed", "driver interrupted", "worker killed"))
        if command.over or not KINDS[kind](bench, command):
            return
        self.made += 1
        self.by_kind[kind] = self.by_kind.get(kind, 0) + 1

    def _wait(self, command: Command, seconds: float) -> None:
        gives_up = time.monotonic() + seconds
        while not command.over and time.monotonic() < gives_up:
            time.sleep(0.01)


def kill_driver(bench: Bench, command: Command) -> bool:
    """SIGKILL, and waits until Ray has ended with it."""
    processes = family(command.pid)
    command.kill(signal.SIGKILL)
    command.wait()
    wait_until(lambda: not alive(processes), "Ray ends with its driver")
    return True


def interrupt_driver(bench: Bench, command: Command) -> bool:
    """SIGINT; False if the command has not got through its imports."""
    if not command.said:
        return False
    command.kill(signal.SIGINT)
    return True


def kill_worker(bench: Bench, command: Command) -> bool:
    """SIGKILL; False if no worker is at work."""
    steps = bench.all_steps()
    worker = steps[-1][2] if steps else 0
    if worker not in family(command.pid):
        return False
    os.kill(worker, signal.SIGKILL)
    return True


KINDS: dict[str, Callable[[Bench, Command], bool]] = {
    "driver killed": kill_driver,
    "driver interrupted": interrupt_driver,
    "worker killed": kill_worker,
}


def run_campaign(kills: int, seed: int, folder: Path) -> bool:
    """Prints the comparison. Gives whether nothing went wrong."""
    heads, record = folder / "heads", folder / "blank" / "mlflow.db"
    write_phantom(heads, subjects=PHANTOM_HEADS, with_t2w=PHANTOM_WITH_T2W, voxel_mm=PHANTOM_VOXEL_MM)
    Ledger(f"sqlite:///{record}", record.parent)
    first = Bench(folder / "undisturbed", heads, record)
    first.run()
    store = first.output / "store"

    def new_bench(number: int) -> Bench:
        bench = Bench(folder / f"sweep-{number}", heads, record)
        bench.options += ["--storage", str(store)]
        return bench

    campaign = Campaign(kills, random.Random(seed), first.results(), new_bench)
    found = campaign.run()
    counts = {
        name: sum(getattr(comparison, name) for comparison in found)
        for name in ("trials", "lost", "doubled", "running", "differing")
    }
    print(", ".join(f"{kind} {count}" for kind, count in sorted(campaign.by_kind.items())))
    print(
        f"kills {campaign.made}, trials {counts['trials']}, lost {counts['lost']}, "
        f"doubled {counts['doubled']}, left RUNNING {counts['running']}, differing {counts['differing']}"
    )
    return all(comparison.passed for comparison in found)


def main() -> int:
    """Gives the exit status: 1 if anything went wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.campaign", description=__doc__)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        return 0 if run_campaign(given.kills, given.seed, Path(folder)) else 1


if __name__ == "__main__":
    sys.exit(main())
