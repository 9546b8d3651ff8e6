"""Where the trials of a sweep come from: a list, or a search that decides as it goes."""

from collections import deque
from collections.abc import Iterable
from typing import Protocol

from ablation.plan.plan import Trial
from ablation.plan.trial_result import TrialResult


class Source(Protocol):
    """A source of trials that is told what becomes of them.

    Args:
        learns: whether what comes next depends on what trials scored.
    """

    learns: bool

    def next(self) -> Trial | None:
        """Return a trial to run now; None while there is none, which is for good once none is under way."""

    def ended(self, trial: Trial, result: TrialResult) -> None:
        """Note what a finished trial scored."""

    def failed(self, trial: Trial) -> None:
        """Note that a trial failed for good."""

    def pruned(self, trial: Trial, score: float) -> None:
        """Note that a trial was stopped early with this score."""

    def left(self) -> list[Trial]:
        """Return the trials that it would still give, as far as they are known."""


class Listed:
    """Trials in a fixed order."""

    learns = False

    def __init__(self, trials: Iterable[Trial]) -> None:
        self._waiting = deque(trials)

    def next(self) -> Trial | None:
        """Return the next of the list."""
        return self._waiting.popleft() if self._waiting else None

    def ended(self, trial: Trial, result: TrialResult) -> None:
        """Do nothing: what comes next does not depend on it."""

    def failed(self, trial: Trial) -> None:
        """Do nothing."""

    def pruned(self, trial: Trial, score: float) -> None:
        """Do nothing."""

    def left(self) -> list[Trial]:
        """Return those that were not given."""
        return list(self._waiting)
