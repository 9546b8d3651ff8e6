"""The epochs of runs under way: which are logged, and which wait to be."""

import time
from collections.abc import Sequence

from ablation.record.runs import Measured, Runs

EPOCHS_SECONDS = 5.0
"""Between two deliveries of a trial's epochs: each takes tens of milliseconds, some epochs little longer."""


class Epochs:
    """Logs each epoch once, several at a time.

    A history is a list of epochs, each with its metrics, its number `epoch` and when it ended, `at`.
    """

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self._last: dict[str, int] = {}
        self._waiting: dict[str, list[dict[str, float]]] = {}
        self._logged_at: dict[str, float] = {}

    def add(self, key: str, history: Sequence[dict[str, float]]) -> None:
        """Have epochs wait."""
        self._logged_at.setdefault(key, time.monotonic())
        self._waiting.setdefault(key, []).extend(history)

    def are_due(self, key: str) -> bool:
        """Whether the epochs that wait have waited long enough."""
        return time.monotonic() >= self._logged_at[key] + EPOCHS_SECONDS

    def deliver(self, run_id: str, key: str) -> None:
        """Log the epochs that wait."""
        self.log(run_id, key, self._waiting.get(key, []))
        self._logged_at[key] = time.monotonic()
        self._waiting[key] = []

    def log(self, run_id: str, key: str, history: Sequence[dict[str, float]]) -> None:
        """Log those of these epochs that are not logged yet."""
        if new := self.new(key, history):
            self._runs.log(run_id, new)
            self._last[key] = new[-1].step

    def new(self, key: str, history: Sequence[dict[str, float]]) -> list[Measured]:
        """The epochs that are not logged yet."""
        epochs = [dict(metrics) for metrics in history]
        measured = [Measured(one, int(one.pop("epoch")), one.pop("at")) for one in epochs]
        return [one for one in measured if one.step > self._last.get(key, 0)]

    def begin(self, key: str) -> None:
        """Note that there is a new run, with none logged."""
        self._last.pop(key, None)

    def forget(self, key: str) -> None:
        """Drop the epochs that wait."""
        self._waiting.pop(key, None)
        self._logged_at.pop(key, None)
