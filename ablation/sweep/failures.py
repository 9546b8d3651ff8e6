"""What went wrong with a trial, and what is done about it."""

import re
from collections import Counter
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from ray import cloudpickle
from ray.exceptions import RayActorError, RayTaskError
from ray.tune.experiment import Trial as TuneTrial

from ablation.record.breakdown import breakdown
from ablation.space.resources import Recovery
from ablation.store.storage import is_breakdown

MOST_LOSSES = 10
"""Times that one trial may lose its worker: then it is likely what brings the worker down."""
LOSS = "its worker was lost: killed, out of memory, or its machine gone"
COLOURS = r"\x1b\[[0-9;]*m"
"""Colours of a terminal, which Ray puts into what it says."""
OUT_OF_MEMORY = re.compile(
    "CUDA out of memory|HIP out of memory|CUDA error: out of memory|HIP error: out of memory"
    "|CU(DNN|BLAS|SOLVER)_STATUS_ALLOC_FAILED|CUDNN_STATUS_INTERNAL_ERROR"
    "|CUDNN_STATUS_EXECUTION_FAILED|Unable to find a valid cuDNN algorithm"
)
"""How torch, CUDA and its libraries say that a GPU's memory is full: of class `OutOfMemoryError` is only what
torch's own allocator says."""


class Kind(Enum):
    """Kind of a failure."""

    LOST = auto()
    """The worker or its machine is gone; the trial may have had no part in it."""
    OUT_OF_MEMORY = auto()
    """Too little memory on the GPU."""
    BREAKDOWN = auto()
    """Storage does not answer, or the disk is full: no trial has a part in it."""
    RAISED = auto()
    """An error in the trial."""


@dataclass(frozen=True)
class Failure:
    """Failure of one trial.

    Args:
        cause: last line of the error.
        traceback: all of it.
    """

    kind: Kind
    cause: str
    traceback: str


class Verdict(Enum):
    """Decision about a failure."""

    AGAIN = auto()
    WITH_MORE_OF_THE_GPU = auto()
    GIVE_UP = auto()
    STOP = auto()


def read_failure(trial: TuneTrial) -> Failure:
    """Return why Tune ended the trial."""
    # Not `get_pickled_error`: that reads a copy which is made later.
    error: object = ""
    if file := trial.pickled_error_file:
        error = cloudpickle.loads(Path(file).read_bytes())
    elif trial.error_file:
        error = Path(trial.error_file).read_text(encoding="utf-8", errors="replace")
    text = re.sub(COLOURS, "", str(error))
    if isinstance(error, RayActorError):
        return Failure(Kind.LOST, LOSS, text)
    raised = error.cause if isinstance(error, RayTaskError) else None
    if raised is not None and is_breakdown(raised):
        return Failure(Kind.BREAKDOWN, breakdown(raised), text)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    cause = lines[-1] if lines else "no message"
    is_full = isinstance(raised, RuntimeError) and OUT_OF_MEMORY.search(str(raised))
    return Failure(Kind.OUT_OF_MEMORY if is_full else Kind.RAISED, cause, text)


class Failures:
    """Counts of the failures of a sweep, by which it decides."""

    def __init__(self, recovery: Recovery) -> None:
        self._recovery = recovery
        self._raised: Counter[str] = Counter()
        self._lost: Counter[str] = Counter()
        self._last_cause = ""
        self._in_a_row = 0

    def judge(self, key: str, failure: Failure, gpus: float) -> Verdict:
        """Return what is done with a trial that had this share of a GPU."""
        if failure.kind is Kind.BREAKDOWN:
            return Verdict.STOP
        if failure.kind is Kind.OUT_OF_MEMORY and 0 < gpus < 1:
            return Verdict.WITH_MORE_OF_THE_GPU
        counter, most = self._raised, self._recovery.retries
        if failure.kind is Kind.LOST:
            counter, most = self._lost, MOST_LOSSES
        counter[key] += 1
        return Verdict.AGAIN if counter[key] <= most else Verdict.GIVE_UP

    def given_up(self, failure: Failure) -> str | None:
        """Note a trial that failed for good; return why the sweep should stop, if it should."""
        self._in_a_row = self._in_a_row + 1 if failure.cause == self._last_cause else 1
        self._last_cause = failure.cause
        if self._in_a_row < self._recovery.stop_after:
            return None
        return f"{self._in_a_row} trials in a row failed with the same error: {failure.cause}"

    def succeeded(self) -> None:
        """Note a trial that finished."""
        self._in_a_row = 0
