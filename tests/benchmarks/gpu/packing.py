"""How much is gained where trials share a card; `python -m tests.benchmarks.gpu.packing` is one of them."""

import argparse
import json
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import torch

from tests.benchmarks.gpu.arms import fit_of, paper_trial, settle
from tests.benchmarks.gpu.bench import Bench
from tests.benchmarks.gpu.timing import wait

TRIALS = (1, 2, 3)
PART = 3
"""Into which an epoch of the study is cut: of its 36 steps and 3 validation patients, 12 and 1."""
STEPS = 12
MEASURED_SECONDS = 12.0
RATE = "thirds of an epoch a second"


def packing(bench: Bench) -> dict[str, Any]:
    """Epochs a second of `open`, validation among them, by one, two and three processes on one card."""
    counts = TRIALS[1:2] if bench.rehearsal else TRIALS
    found = bench.parts({f"{n} at once": partial(_together, bench, n) for n in counts}, needs=30)
    rates = {name: row[RATE] for name, row in found.items() if isinstance(row, dict) and RATE in row}
    first = next(iter(rates.values()), float("nan"))
    return {**found, "gain": {name: round(rate / first, 2) for name, rate in rates.items()}}


def _together(bench: Bench, count: int) -> dict[str, Any]:
    """Rate of so many processes, which begin when all of them are ready."""
    command = [sys.executable, "-m", "tests.benchmarks.gpu.packing", "--out", str(bench.out)]
    command += ["--rehearse"] if bench.rehearsal else []
    root = Path(__file__).parents[3]
    pipe = subprocess.PIPE
    begun = time.monotonic()
    processes = [
        subprocess.Popen(command, cwd=root, stdin=pipe, stdout=pipe, text=True) for _ in range(count)
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            process.stdout.readline()
        ready = time.monotonic() - begun
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        limit = max(bench.left, 60.0)
        told = [json.loads(process.communicate(timeout=limit)[0].splitlines()[-1]) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    rates = [one["parts"] / one["seconds"] for one in told]
    return {
        RATE: round(sum(rates), 3),
        "of each": [round(rate, 3) for rate in rates],
        "MB of each": [one["mb"] for one in told],
        "seconds to start": round(ready, 1),
    }


def take_part(bench: Bench, seconds: float) -> dict[str, Any]:
    """Train for some seconds from the moment at which a line comes in."""
    steps = 1 if bench.rehearsal else STEPS
    experiment = paper_trial(bench, "open", steps=steps)
    settle(experiment, bench)
    experiment.run_epoch()
    print("ready", flush=True)
    sys.stdin.readline()
    started, done = time.monotonic(), 0
    while time.monotonic() - started < seconds:
        experiment.run_epoch()
        done += 1
    wait(bench.device)
    assert fit_of(experiment).steps >= done
    held = torch.cuda.max_memory_reserved() if bench.device == "cuda" else 0
    return {"parts": done, "seconds": time.monotonic() - started, "mb": round(held / 1e6)}


def main() -> None:
    """Print `ready`, wait for a line, then print what was done as JSON."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.gpu.packing", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rehearse", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)  # as trials have
    bench = Bench(given.out, time.monotonic(), given.rehearse)
    print(json.dumps(take_part(bench, 0.5 if given.rehearse else MEASURED_SECONDS)))


if __name__ == "__main__":
    main()
