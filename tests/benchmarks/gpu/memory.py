"""Does every arm of the paper preset fit a card of 16 GB?"""

from functools import partial
from typing import Any

import torch

from ablation.worker.memory import peak_mb, reset_peak
from t1t2core.settings import Precision
from tests.benchmarks.gpu.arms import GIB, PRECISIONS, TRAINED, paper_trial
from tests.benchmarks.gpu.bench import BAD, Bench

CARD = 16e9
"""Bytes of the study's card (Sec. 3.5), of which CUDA itself takes some."""
LARGEST = ("hybrid concatenation", "hybrid multiplication", "open")
"""Arms that need the most, and come first."""


def memory(bench: Bench) -> dict[str, Any]:
    """Peak of a step and a validation of every arm, where the process may have no more than such a card."""
    others = () if bench.rehearsal else tuple(arm for arm in TRAINED if arm not in LARGEST)
    cases = {
        f"{arm}, {precision}": partial(_peak, bench, arm, precision)
        for precision in PRECISIONS
        for arm in (*LARGEST, *others)
    }
    if bench.device == "cpu":
        return bench.parts(cases)
    free, there = torch.cuda.mem_get_info()
    context = there - free - torch.cuda.memory_reserved()
    allowed = min(CARD, there) - context
    torch.cuda.set_per_process_memory_fraction(allowed / there)
    try:
        return {"allowed, MB": round(allowed / 1e6), **bench.parts(cases, needs=3)}
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def _peak(bench: Bench, arm: str, precision: Precision) -> dict[str, Any]:
    """MB of tensors, and of what torch holds for them."""
    reset_peak(bench.device)
    try:
        experiment = paper_trial(bench, arm, precision, kept=GIB, steps=min(3, bench.sizes.steps))
        experiment.run_epoch()
    except torch.OutOfMemoryError as error:
        return {BAD: True, "does not fit": str(error)[:200]}
    found: dict[str, Any] = {"tensors": round(peak_mb(bench.device))}
    if bench.device == "cuda":
        found["held"] = round(torch.cuda.max_memory_reserved() / 1e6)
    return found
