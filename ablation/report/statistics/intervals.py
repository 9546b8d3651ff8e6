"""Means over patients with their intervals, a row an arm, sequence and class."""

import numpy as np
import pandas as pd

from ablation.report.statistics.bootstrap import bootstrap_intervals
from ablation.report.tables.patient_scores import patient_scores
from ablation.space.factors import ARM

GROUP = ["arm", *ARM, "sequence", "class"]
INTERVALS = [*GROUP, "patients", "undefined", "mean", "sd", "low", "high", "interval"]


def intervals(results: pd.DataFrame, patients: pd.DataFrame, *, metric: str = "dsc") -> pd.DataFrame:
    """Mean test score over patients, and its 95 % bootstrap interval where there are six of them or more.

    Args:
        results, patients, metric: as for `patient_scores`.

    Returns:
        `INTERVALS`: `patients` have a defined score and `undefined` have none; `mean` and `sd` (n - 1)
        over the former; `low` and `high`, empty without an interval; `interval` says how it was made or
        why there is none.

    The interval is for the mean over patients like these, of these trained networks: it does not hold what
    training on other patients would change, and rotated folds share training patients. The mean differs
    from the pooled score of `results.csv`, where a patient with more voxels of a class weighs more.
    """
    scores = patient_scores(results, patients, metric=metric)
    if scores.empty:
        return pd.DataFrame(columns=INTERVALS)
    groups = scores.groupby(GROUP, dropna=False, sort=False)["value"]
    table = groups.agg(patients="count", size="size", mean="mean", sd="std").reset_index()
    table["undefined"] = table["size"] - table["patients"]
    rows = [values.dropna().to_numpy(dtype=float) for _, values in groups]
    found = bootstrap_intervals(_padded(rows))
    table = table.assign(low=found.low, high=found.high, interval=found.notes)
    return table[INTERVALS]


def _padded(rows: list[np.ndarray]) -> np.ndarray:
    """(rows, longest) with NaN after the end of a shorter row."""
    table = np.full((len(rows), max(len(row) for row in rows)), np.nan)
    for place, row in zip(table, rows, strict=True):
        place[: len(row)] = row
    return table
