"""`python -m tests.benchmarks.gpu --out DIR`: what a GPU has to show, in one run of eight minutes at most.

Some stages prove: operations agree with float64, every arm trains in float32 and bfloat16, frozen tensors
stay as they are, trainings repeat, commands run on shares of a card, every arm fits 16 GB. The others
measure: steps, convolutions, single measures, several trials at once. Each writes what it finds to
DIR/gpu.json as it ends; those that do not fit into the time that is left are skipped by name. Ends with 1
where something failed or is not as it has to be.
"""

import argparse
import time
from functools import partial
from pathlib import Path

import torch

from tests.benchmarks.gpu import commands, memory, packing, proofs, speed
from tests.benchmarks.gpu.bench import Bench
from tests.benchmarks.gpu.forecast import forecast

STAGES = {
    "environment": (8, speed.environment),
    "operations": (15, proofs.operations),
    "arms": (20, proofs.arms),
    "repeats": (15, proofs.repeats),
    "steps": (30, speed.steps),
    "product": (60, commands.product),
    "networks": (15, proofs.networks),
    "memory": (20, memory.memory),
    "measures": (30, speed.measures),
    "packing": (70, packing.packing),
    "crowded": (80, commands.crowded),
    "convolutions": (25, speed.convolutions),
    "network_steps": (15, speed.network_steps),
    "agreement": (20, proofs.agreement),
    "compiled": (40, speed.compiled),
    "forecast": (0, forecast),
    "profile": (8, speed.profile),
}
"""By name, the most wanted first: the least seconds for which each is begun, and what it does."""


def main() -> int:
    """Do all stages, or those that are named."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.gpu", description=__doc__)
    parser.add_argument("--out", type=Path, help="folder of gpu.json")
    parser.add_argument("--seconds", type=float, default=480, help="that all of it may take")
    parser.add_argument(
        "--runs", type=Path, help="output folder with prepared volumes for the stages product and crowded"
    )
    parser.add_argument("--prepare", type=Path, help="make such a folder, on any machine, and stop")
    parser.add_argument("--rehearse", action="store_true", help="go through it on a CPU, with tiny volumes")
    parser.add_argument("--only", action="append", choices=STAGES, help="a stage; may be given again")
    given = parser.parse_args()
    if given.prepare is not None:
        return commands.prepare(given.prepare)
    if given.out is None:
        parser.error("--out or --prepare is needed")
    if not given.rehearse and not torch.cuda.is_available():
        parser.error("there is no GPU here; --rehearse goes through it without one")
    if given.rehearse:
        torch.set_num_threads(1)
    given.out.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + given.seconds
    bench = Bench(given.out, end, given.rehearse, given.runs)
    for name, (needs, work) in STAGES.items():
        if not given.only or name in given.only:
            bench.stage(name, needs, partial(work, bench))
    return 0 if bench.conclude() else 1


if __name__ == "__main__":
    raise SystemExit(main())
