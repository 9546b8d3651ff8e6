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
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from ablation.record.ledger import Ledger
from t1t2core.cohort.phantom import write_phantom
from tests.conftest import PHANTOM_HEADS, PHANTOM_VOXEL_MM, PHANTOM_WITH_T2W
from tests.faults.bench import Bench, Comparison, Result, compare
from tests.faults.commands import Command, family, wait_for_end_of_work, wait_until

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
            goes_on = True
            while goes_on and self.made < self.kills:
                goes_on = self._disturb(bench, command)
            status = command.wait()
            if status not in (0, 130, -signal.SIGKILL) or "Traceback" in command.said:
                raise RuntimeError(f"status {status}\n{command.said}")

    def _disturb(self, bench: Bench, command: Command) -> bool:
        """Waits for a random time, then kills something. Gives whether the command is still at work."""
        before = bench.all_steps()
        if self.random.random() < EARLY:
            self._wait(command, self.random.uniform(0, LONGEST_START_SECONDS))
        else:
            wait_until(lambda: bench.all_steps() != before or command.over, "the next step")
            self._wait(command, self.random.uniform(0, LONGEST_RUN_SECONDS))
        if command.over:
            return False
        possible = [kind for kind, can in POSSIBLE.items() if can(bench, command)]
        kind = self.random.choice(possible)
        KINDS[kind](bench, command)
        self.made += 1
        self.by_kind[kind] = self.by_kind.get(kind, 0) + 1
        return kind == WORKER

    def _wait(self, command: Command, seconds: float) -> None:
        gives_up = time.monotonic() + seconds
        while not command.over and time.monotonic() < gives_up:
            time.sleep(0.01)


def kill_driver(bench: Bench, command: Command) -> None:
    """SIGKILL, and waits until Ray has ended with it."""
    processes = family(command.pid)
    command.kill(signal.SIGKILL)
    command.wait()
    wait_for_end_of_work(processes)


def interrupt_driver(bench: Bench, command: Command) -> None:
    """SIGINT."""
    command.kill(signal.SIGINT)


def kill_worker(bench: Bench, command: Command) -> None:
    """SIGKILL; whether it is still there does not matter."""
    with suppress(ProcessLookupError):
        os.kill(bench.all_steps()[-1][2], signal.SIGKILL)


def has_worker(bench: Bench, command: Command) -> bool:
    """Whether one of this command's workers has begun a trial."""
    steps = bench.all_steps()
    return bool(steps) and steps[-1][2] in family(command.pid)


WORKER = "worker killed"
KINDS: dict[str, Callable[[Bench, Command], None]] = {
    "driver killed": kill_driver,
    "driver interrupted": interrupt_driver,
    WORKER: kill_worker,
}
POSSIBLE: dict[str, Callable[[Bench, Command], bool]] = {
    "driver killed": lambda bench, command: True,
    # Before it says anything it imports, and ends as any Python program does.
    "driver interrupted": lambda bench, command: bool(command.said),
    WORKER: has_worker,
}


def run_campaign(campaign: Campaign) -> bool:
    """Prints the comparison. Gives whether nothing went wrong."""
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


def prepare(kills: int, seed: int, folder: Path) -> Campaign:
    """Runs the sweep undisturbed; its storage is that of all later ones."""
    heads, record = folder / "heads", folder / "blank" / "mlflow.db"
    write_phantom(heads, subjects=PHANTOM_HEADS, with_t2w=PHANTOM_WITH_T2W, voxel_mm=PHANTOM_VOXEL_MM)
    Ledger(f"sqlite:///{record}", record.parent)
    first = Bench(folder / "undisturbed", heads, record)
    first.run()

    def new_bench(number: int) -> Bench:
        bench = Bench(folder / f"sweep-{number}", heads, record)
        bench.options += ["--storage", str(first.output / "store")]
        return bench

    return Campaign(kills, random.Random(seed), first.results(), new_bench)


def main() -> int:
    """Gives the exit status: 1 if anything went wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.campaign", description=__doc__)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        return 0 if run_campaign(prepare(given.kills, given.seed, Path(folder))) else 1


if __name__ == "__main__":
    sys.exit(main())
