"""Where the trials of a sweep come from: a list, or a search that decides as it goes."""

from collections import deque
from collections.abc import Iterable
from typing import Protocol

from ablation.plan.plan import Trial
from ablation.plan.trial_result import TrialResult


class Source(Protocol):
    """Gives the trials of a sweep, and is told what becomes of them.

    Args:
        learns: whether what comes next depends on what trials scored.
    """

    learns: bool

    def next(self) -> Trial | None:
        """A trial to run now; None while there is none, which is for good once none is under way."""

    def ended(self, trial: Trial, result: TrialResult | None) -> None:
        """A trial is finished; or, without a result, failed for good."""

    def pruned(self, trial: Trial, score: float) -> None:
        """A trial was stopped early with this score."""

    def left(self) -> list[Trial]:
        """Trials that it would still give, as far as they are known."""


class Listed:
    """Trials in a fixed order."""

    learns = False

    def __init__(self, trials: Iterable[Trial]) -> None:
        self._waiting = deque(trials)

    def next(self) -> Trial | None:
        """The next of the list."""
        return self._waiting.popleft() if self._waiting else None

    def ended(self, trial: Trial, result: TrialResult | None) -> None:
        """Nothing: what comes next does not depend on it."""

    def pruned(self, trial: Trial, score: float) -> None:
        """Nothing."""

    def left(self) -> list[Trial]:
        """Those that were not given."""
        return list(self._waiting)
