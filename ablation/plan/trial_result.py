"""What a finished trial scored, as a search needs it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isnan
from statistics import fmean
from typing import Any

from ablation.space.objectives import classes_of, metric_of, parts_of
from t1t2core.evaluation.scores import Counts
from t1t2core.settings import TARGET


@dataclass(frozen=True)
class TrialResult:
    """A finished trial.

    Args:
        metrics: as the record has them.
        scores: a patient, split, sequence and set of weights each, as in `scores.json`.
    """

    metrics: Mapping[str, float]
    scores: Iterable[Mapping[str, Any]]

    def value(self, objective: str) -> float:
        """Return the value of an objective; an undefined score counts as 0."""
        return fmean(self.metrics.get(metric_of(one), 0.0) for one in parts_of(objective))

    def of_patients(self, objective: str) -> list[float]:
        """Return the validation score of each target patient, best weights; an undefined one counts as 0."""
        classes, metric = classes_of(objective), objective.rpartition("/")[2]
        wanted = {"split": "validation", "weights": "best", "sequence": TARGET}
        return [
            fmean(_defined(getattr(Counts(**score["counts"][name]), metric)) for name in classes)
            for score in self.scores
            if all(score[key] == value for key, value in wanted.items())
        ]


def value_after_epoch(metrics: Mapping[str, float], objective: str) -> float:
    """Return a score of validation after an epoch; one that is undefined or not measured counts as 0."""
    return fmean(_defined(metrics.get(one, 0.0)) for one in parts_of(objective))


def _defined(value: float) -> float:
    return 0.0 if isnan(value) else value


def mean_over_patients(results: Iterable[TrialResult], objective: str) -> float:
    """Return the mean of an objective over all patients of these trials."""
    values = [value for result in results for value in result.of_patients(objective)]
    return fmean(values) if values else 0.0
