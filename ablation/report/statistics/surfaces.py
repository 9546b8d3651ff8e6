"""Surface distances and surface Dice beside Dice: means of each arm, and comparisons of arms."""

import pandas as pd

from ablation.record.selection import classes_in
from ablation.report.statistics.comparisons import COMPARISONS, comparisons
from ablation.report.statistics.network_scores import Cube, network_scores
from t1t2core.evaluation.surface import DISTANCES, SURFACE_METRICS
from t1t2core.settings import SOURCE, TARGET

COMPARED = ("hausdorff_95_mm", "nsd_2_mm")
"""Metrics that arms are compared by: the others say much the same."""
SURFACES = ["arm", "sequence", "class", "patients", "undefined", *SURFACE_METRICS]
COMPARED_SURFACES = ["metric", *COMPARISONS]
SEQUENCES = (SOURCE, TARGET)


def surfaces(results: pd.DataFrame, patients: pd.DataFrame) -> pd.DataFrame:
    """Return means over test patients of each arm and class, arms at their chosen values.

    Args:
        results, patients: as for `network_scores`.

    Returns:
        `SURFACES`: `patients` that were tested; `undefined`, those of them without a distance, since the
        class is not found or not there: they are left out of the means of distances, while a class that is
        not found has a surface Dice of 0. No rows where nothing was measured.
    """
    by_metric = {
        metric: network_scores(results, patients, metric=metric)
        for metric in SURFACE_METRICS
        if patients[metric].notna().any()
    }
    tables = []
    for sequence in SEQUENCES:
        for tissue in classes_in(patients):
            cubes = {metric: scores.of(sequence, tissue) for metric, scores in by_metric.items()}
            if cubes and next(iter(cubes.values())).arms:
                tables.append(_means(cubes).assign(sequence=sequence, **{"class": tissue}))
    return pd.concat(tables, ignore_index=True)[SURFACES] if tables else pd.DataFrame(columns=SURFACES)


def surface_comparisons(results: pd.DataFrame, patients: pd.DataFrame) -> pd.DataFrame:
    """Return each arm against the best of its class by each of `COMPARED`, as `comparisons` does by Dice.

    The best arm is that of `comparisons`, which validation Dice tells: no surface is measured on validation.
    Holm's correction counts the pairs of a class and metric. Of distances less is better, and so `verdict`
    has it.

    Returns:
        `COMPARED_SURFACES`.
    """
    tables = [
        comparisons(results, patients, pairs="best", metric=metric).assign(metric=metric)
        for metric in COMPARED
        if patients[metric].notna().any()
    ]
    filled = [table for table in tables if not table.empty]
    return pd.concat(filled)[COMPARED_SURFACES] if filled else pd.DataFrame(columns=COMPARED_SURFACES)


def _means(cubes: dict[str, Cube]) -> pd.DataFrame:
    """Means of one class, a row an arm; folds, seeds and pretrained networks averaged first."""
    first = next(iter(cubes.values()))
    by_patient = {metric: pd.DataFrame(cube.means(cube.values)) for metric, cube in cubes.items()}
    tested = first.tested.sum(axis=1)
    table = pd.DataFrame({"arm": first.arms, "patients": tested})
    found = next((by_patient[name].count(axis=1) for name in DISTANCES if name in by_patient), tested)
    means = {metric: values.mean(axis=1) for metric, values in by_patient.items()}
    return table.assign(undefined=tested - found, **means).reindex(
        columns=[*table, "undefined", *SURFACE_METRICS]
    )
