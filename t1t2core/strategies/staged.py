"""A hybrid whose dedicated encoder is trained beforehand (the other reading of Sec. 3.3.3)."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from t1t2core.experiment import EpochResult, Experiment, Outcome
from t1t2core.network.base import Network
from t1t2core.network.hybrid import HybridSegmenter


class StagedExperiment:
    """First a T2-only network, then the hybrid on its frozen encoder; seen from outside, one experiment.

    Args:
        alone: trains the T2-only network.
        hybrid: takes over its encoder.
        experiment: makes the experiment that trains the hybrid.
    """

    def __init__(
        self, alone: Experiment, hybrid: HybridSegmenter, experiment: Callable[[Network], Experiment]
    ) -> None:
        self._alone = alone
        self._hybrid = hybrid
        self._make = experiment
        self._second: Experiment | None = None
        self.scans, self.evaluation = alone.scans, alone.evaluation

    @property
    def finished(self) -> bool:
        """Return whether both stages are trained."""
        return self._second is not None and self._second.finished

    @property
    def progress(self) -> float:
        """Share of the training that is done, from 0 to 1: half a stage each."""
        return (self._alone.progress + (self._second.progress if self._second else 0.0)) / 2

    def run_epoch(self) -> EpochResult:
        """Trains an epoch of the stage that is under way; epochs are counted through."""
        if self._second is None:
            result = self._alone.run_epoch()
            if self._alone.finished:
                self._second = self._start_second()
            return result
        result = self._second.run_epoch()
        before = len(self._alone.epoch_seconds)
        return replace(result, report=replace(result.report, epoch=before + result.report.epoch))

    def state(self) -> dict[str, Any]:
        """Return all that `restore` needs, of both stages."""
        return {
            "alone": self._alone.state(),
            "second": None if self._second is None else self._second.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Takes over what another experiment of the same trial had got to."""
        self._alone.restore(state["alone"])
        if state["second"] is not None:
            self._second = self._start_second()
            self._second.restore(state["second"])

    def _start_second(self) -> Experiment:
        self._hybrid.freeze_dedicated(self._alone.best_weights)
        return self._make(self._hybrid)

    def score(self) -> Outcome:
        """Scores of the hybrid; epochs and seconds of both stages."""
        assert self._second is not None
        outcome = self._second.score()
        seconds = [*self._alone.epoch_seconds, *outcome.epoch_seconds]
        steps = outcome.steps + self._alone.steps
        return replace(outcome, epochs=len(seconds), epoch_seconds=seconds, steps=steps)


AnyExperiment = Experiment | StagedExperiment
