"""Means over patients with their intervals, a row an arm, sequence and class."""

import pandas as pd

from ablation.report.statistics.bootstrap import bootstrap_intervals
from ablation.report.statistics.network_scores import Cube, network_scores
from t1t2core.settings import SOURCE, TARGET

INTERVALS = [
    "arm",
    "sequence",
    "class",
    "patients",
    "networks",
    "undefined",
    "mean",
    "sd",
    "low",
    "high",
    "interval",
]
SEQUENCES = (SOURCE, TARGET)


def intervals(results: pd.DataFrame, patients: pd.DataFrame, *, metric: str = "dsc") -> pd.DataFrame:
    """Mean test score over patients, and its 95 % interval.

    Args:
        results, patients, metric: as for `network_scores`.

    Returns:
        `INTERVALS`: `patients` have a defined score and `undefined` have none; `networks`, pretrained
        networks or folds; `mean` and `sd` (n - 1) over the former, with rotated test patients the mean of
        the folds' means, which the interval is of; `low` and `high`, empty without an interval; `interval`
        says how it was made or why there is none.

    With two pretrained networks or more, and with rotated test patients, the interval holds beyond these
    networks (`crossed`, `nested`). With one it is a bootstrap over patients, where there are six of them or
    more: for the mean over patients like these, of this network. None holds what training on other patients
    would change. The mean differs from the pooled score of `results.csv`, where a patient with more voxels
    of a class weighs more.
    """
    scores = network_scores(results, patients, metric=metric)
    tables = [
        _of_class(cube).assign(sequence=sequence, **{"class": tissue})
        for sequence in SEQUENCES
        for tissue in scores.table["class"].unique()
        if (cube := scores.of(sequence, tissue)).arms
    ]
    return pd.concat(tables, ignore_index=True)[INTERVALS] if tables else pd.DataFrame(columns=INTERVALS)


def _of_class(cube: Cube) -> pd.DataFrame:
    means = pd.DataFrame(cube.means(cube.values))
    table = pd.DataFrame(
        {
            "arm": cube.arms,
            "patients": means.count(axis=1),
            "networks": 1,
            "mean": means.mean(axis=1),
            "sd": means.std(axis=1),
        }
    )
    table["undefined"] = cube.tested.sum(axis=1) - table["patients"]
    if cube.kind == "one":
        over_patients = bootstrap_intervals(means.to_numpy())
        return table.assign(low=over_patients.low, high=over_patients.high, interval=over_patients.notes)
    found = cube.estimate(cube.values)
    return table.assign(
        networks=found.networks, mean=found.mean, low=found.low, high=found.high, interval=found.methods
    )
