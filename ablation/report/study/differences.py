"""Differences between arms that claims are judged by, with their intervals: of ours and of the study."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd

from ablation.report.statistics.agreement import count_agreement
from ablation.report.statistics.bootstrap import bootstrap_intervals
from ablation.report.statistics.crossed import crossed
from ablation.report.statistics.network_scores import Cube, network_scores

Weights = Mapping[str, float]
"""Of arms by name: a difference is the weighted sum of their scores."""
STUDY_FOLDS = "over the study's folds, which share their test patients"


@dataclass(frozen=True)
class Difference:
    """A difference in a score with its 95 % interval.

    Args:
        mean: NaN where a score is undefined.
        low, high: NaN where there is no interval.
        interval: how it was made, or why there is none.
        is_unanimous: whether every value that it is the mean of is above 0.
    """

    mean: float
    low: float
    high: float
    interval: str
    is_unanimous: bool = False

    @property
    def has_interval(self) -> bool:
        """Whether both ends are known."""
        return math.isfinite(self.low) and math.isfinite(self.high)


Differences = Callable[[Weights, str, str, str], Difference | None]
"""From weights, sequence, class and metric; None where an arm is not there."""


def student(values: np.ndarray, interval: str) -> Difference:
    """Return the mean of independent values (n,) with Student's interval; none from fewer than two."""
    found = crossed(values[None, :, None])
    low, high = float(found.low[0]), float(found.high[0])
    how = interval if len(values) > 1 else "none: one value"
    unanimous = count_agreement(values).is_unanimous
    return Difference(float(found.mean[0]), low, high, how, unanimous)


def differences_of(results: pd.DataFrame, patients: pd.DataFrame) -> Differences:
    """Return the differences of recorded arms, paired over patients and pretrained networks.

    Args:
        results: the rows that count, as in `results.csv`; their column `arm` has the names that are asked
            for.
        patients: as in `patients.csv`.
    """
    arms = results.drop_duplicates("trial_key").set_index("trial_key")["arm"]
    rows = patients[patients["trial_key"].isin(arms.index)]
    rows = rows.assign(arm=rows["trial_key"].map(arms))

    @cache
    def cube(sequence: str, tissue: str, metric: str) -> Cube:
        return network_scores(results, rows, metric=metric).of(sequence, tissue)

    def difference(weights: Weights, sequence: str, tissue: str, metric: str = "dsc") -> Difference | None:
        scores = cube(sequence, tissue, metric)
        if not set(weights) <= set(scores.arms):
            return None
        sums = sum(weight * scores.values[scores.arms.index(arm)] for arm, weight in weights.items())
        return _estimated(scores, np.asarray(sums))

    return difference


def differences_of_study(cells: pd.DataFrame) -> Differences:
    """Return the differences of the study's arms over its folds, the same for what has no folds.

    Args:
        cells: `arm`, `fold` ('1' to '3', 'avg' or ''), `sequence`, `class`, `metric` and `corrected`.
    """
    keys = ["arm", "sequence", "class", "metric"]
    folds: dict[object, pd.Series] = {
        key: part.drop_duplicates("fold").set_index("fold")["corrected"]
        for key, part in cells.groupby(keys, sort=False)
    }

    def difference(weights: Weights, sequence: str, tissue: str, metric: str = "dsc") -> Difference | None:
        values = {arm: folds.get((arm, sequence, tissue, metric)) for arm in weights}
        found = {arm: own for arm, own in values.items() if own is not None}
        if len(found) < len(weights):
            return None
        numbered = [own.drop(["avg", ""], errors="ignore") for own in found.values()]
        names = max((list(own.index) for own in numbered), key=len) or [""]
        total = sum(
            weight * (found[arm].reindex(names) if len(names) > 1 and own.size else _one(found[arm]))
            for (arm, weight), own in zip(weights.items(), numbered, strict=True)
        )
        return student(np.atleast_1d(np.asarray(total, dtype=float)), STUDY_FOLDS)

    return difference


def _one(values: pd.Series) -> float:
    """The only value there is, or the mean."""
    return float(values.get("avg", values.iloc[0]))


def _estimated(scores: Cube, values: np.ndarray) -> Difference:
    """Return the difference of one table (P, N) by the rules of `comparisons`."""
    means = scores.means(values[None])
    unanimous = count_agreement(values).is_unanimous
    if scores.kind == "one":
        there = means[0][np.isfinite(means[0])]
        over = bootstrap_intervals(means)
        mean = float(there.mean()) if there.size else math.nan
        return Difference(mean, float(over.low[0]), float(over.high[0]), over.notes[0], unanimous)
    found = scores.estimate(values[None])
    return Difference(
        float(found.mean[0]), float(found.low[0]), float(found.high[0]), found.methods[0], unanimous
    )
