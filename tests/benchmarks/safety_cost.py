"""`python -m tests.benchmarks.safety_cost`: what checkpoints and the record cost a sweep.

Runs the same trials with a checkpoint after each epoch and with none, in turns, and counts the time that
the driver spends in the record. Start-up is left out: it is the same for both.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from ablation.api import Sweep
from ablation.record.recorder import Recorder
from ablation.sweep import plan_run
from ablation.sweep.workspace import Request

SPACE = """
name: cost
arms:
  - strategy: conservative
    tuned_layers: [9]
  - strategy: open
t2_train_size: [2]
learning_rate: [1.0e-3]
folds: [1]
cohort: {phantom_subjects: 6, phantom_t2w: 4}
pretraining: {max_epochs: null, max_steps: 2}
"""
RECORDING = ("claim", "log_epochs", "finish")


@dataclass
class Cost:
    """Of one sweep: seconds from its first trial's start to its last one's end, and those in the record."""

    sweep: float = 0.0
    record: float = 0.0


def measure(output: Path, epochs: int, checkpoints: bool) -> Cost:
    """Runs the sweep once."""
    space = output / "cost.yaml"
    recovery = f"recovery: {{checkpoint_seconds: {0 if checkpoints else 'null'}}}\n"
    space.write_text(SPACE + f"training: {{max_epochs: {epochs}}}\n" + recovery, encoding="utf-8")
    cost = Cost()
    with ExitStack() as timers:
        timers.enter_context(timed(plan_run, "run_sweep", cost, "sweep"))
        for name in RECORDING:
            timers.enter_context(timed(Recorder, name, cost, "record"))
        Sweep(Request(space=space, output=output, max_concurrent=1, rerun=True)).run()
    return cost


@contextmanager
def timed(owner: Any, name: str, cost: Cost, part: str) -> Iterator[None]:
    """Adds the time that calls of a function take to a part of the cost."""
    real = getattr(owner, name)

    def call(*args: Any, **kwargs: Any) -> Any:
        started = time.perf_counter()
        try:
            return real(*args, **kwargs)
        finally:
            setattr(cost, part, getattr(cost, part) + time.perf_counter() - started)

    setattr(owner, name, call)
    try:
        yield
    finally:
        setattr(owner, name, real)


def main() -> None:
    """Prints a line a sweep and the medians."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.safety_cost", description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=4)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cost-") as folder:
        measure(Path(folder), 1, checkpoints=False)  # prepares, and trains the pretrained network
        costs: dict[bool, list[Cost]] = {True: [], False: []}
        for _ in range(given.repeats):
            for checkpoints in (True, False):
                cost = measure(Path(folder), given.epochs, checkpoints)
                costs[checkpoints].append(cost)
                print(f"checkpoints {checkpoints}: sweep {cost.sweep:.2f} s, record {cost.record:.2f} s")
    safe, bare = (median(cost.sweep for cost in costs[which]) for which in (True, False))
    record = median(cost.record for cost in costs[True])
    print(
        f"median sweep {safe:.2f} s with checkpoints, {bare:.2f} s without ({safe / bare - 1:+.1%}); "
        f"record {record:.2f} s ({record / safe:.1%})"
    )


if __name__ == "__main__":
    main()
