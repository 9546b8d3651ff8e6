"""Results in the layout of the study's tables, for whatever arms there are."""

from collections.abc import Collection

import numpy as np
import pandas as pd

from ablation.record.plan_record import PlanRecord
from ablation.record.selection import classes_in, scored_in
from ablation.report.tables.arm_scores import (
    ARM_KEYS,
    CONTROLS,
    best_of_strategies,
    comparable,
    fold_scores,
    mean_scores,
)
from ablation.report.tables.costs import STEPS, compute_time
from ablation.report.tables.training_size import training_size
from t1t2core.cohort.subject import Sequences
from t1t2core.evaluation.scores import METRICS
from t1t2core.settings import SOURCE, TARGET
from t1t2core.settings.classes import INTERNAL_AIR, STUDY_CLASSES
from t1t2core.strategies import STRATEGIES

TITLES = {
    "table_3": "Table 3: no fine-tuning and open fine-tuning, tested on T2",
    "table_4": "Table 4: conservative fine-tuning, tested on T2",
    "table_5": "Table 5: hybrid transfer, tested on T2",
    "table_6": "Table 6: bone, the best arm of each strategy",
    "table_7": "Table 7: soft tissue, the best arm of each strategy",
    "table_8": "Table 8: air, the best arm of each strategy",
    "table_9": "Table 9: without and with T2 among the training scans",
    "controls": "Controls that the study lacks, tested on T2",
    "internal_air": "Air inside the head, tested on T2",
    "training_size": "Figure 5: test Dice by tuned layers and T2 training patients",
    "compute_time": "Figure 7: compute time",
}
"""Of what `study_tables` gives, in its order."""

OF_ANY_ARMS = ("internal_air", "compute_time")
"""Those that are made of any arms."""
FOLD_TABLES = {
    "table_3": ("no_fine_tuning", "open"),
    "table_4": ("conservative",),
    "table_5": ("hybrid",),
    "controls": CONTROLS,
}
BEST_TABLES = {"table_6": "bone", "table_7": "soft_tissue", "table_8": "air"}
INTERVAL = "voxel_interval"
"""Ends the name of a column with half widths of the study's interval."""
DIFFERENCE = "difference_percent"
"""The row of Table 9 that holds percentages."""
NORMAL_95 = 1.96


def study_tables(results: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The study's tables, and those of what it lacks, by their keys in `TITLES`.

    Args:
        results: as in `results.csv`.

    Returns:
        Flat frames with plain columns. Those of scores are named by class and metric, `bone_dsc`. Scores
        are fractions of 1, pooled over the test voxels, seeds averaged within a fold, weights `best`; an
        undefined score is NaN, and so is each mean that it enters. A table without its strategies is left
        out. Arms stand at their chosen learning rate and at their strategy's largest training size, save
        in `training_size`, which has rules of its own.
    """
    folds, means, classes = fold_scores(results), mean_scores(results), classes_in(results)
    tables = {name: fold_table(folds, means, strategies, classes) for name, strategies in FOLD_TABLES.items()}
    for name, tissue in ((name, tissue) for name, tissue in BEST_TABLES.items() if tissue in classes):
        tables[name] = best_table(means, best_of_strategies(results, tissue), tissue)
    steps = mean_steps(results)
    tables = {name: with_steps(table, steps) for name, table in tables.items()}
    tables["table_9"] = augmentation_table(means)
    if INTERNAL_AIR in scored_in(results):
        tables["internal_air"] = fold_table(folds, means, tuple(STRATEGIES), [INTERNAL_AIR])
    tables["training_size"] = training_size(results)
    tables["compute_time"] = compute_time(results)
    return {name: tables[name] for name in TITLES if name in tables and not tables[name].empty}


def is_of_study(record: PlanRecord) -> bool:
    """Return whether a plan has the study's classes and sequences, so that its tables mean something."""
    return record.classes == STUDY_CLASSES and record.sequences == Sequences()


def mean_steps(results: pd.DataFrame) -> pd.Series:
    """Return the mean number of training steps of the comparable arms, by arm."""
    trials = comparable(results).drop_duplicates("trial_key")
    return trials.groupby("arm")[STEPS].mean() if STEPS in trials else pd.Series(dtype="float64")


def with_steps(table: pd.DataFrame, steps: pd.Series) -> pd.DataFrame:
    """Return a table of arms with the column `steps` after the learning rate."""
    place = list(table.columns).index("learning_rate") + 1
    wider = table.copy()
    wider.insert(place, STEPS, table["arm"].map(steps).round().astype("Int64"))
    return wider


def about_budgets(table: pd.DataFrame) -> str:
    """Return a sentence where the arms of a table were trained for different numbers of steps; else ''."""
    if STEPS not in table:
        return ""
    trained = table.loc[table[STEPS].gt(0), ["arm", STEPS]].drop_duplicates()
    if trained[STEPS].nunique() < 2:
        return ""
    listed = ", ".join(f"{arm} {steps:.0f}" for arm, steps in trained.itertuples(index=False))
    return f"Budgets differ: the arms were trained for different numbers of steps ({listed})."


def fold_table(
    folds: pd.DataFrame, means: pd.DataFrame, strategies: Collection[str], classes: Collection[str]
) -> pd.DataFrame:
    """Tables 3 to 5: a row an arm and fold, then the mean, on T2.

    Columns: `arm`, `t2_train_size`, `learning_rate`, `fold` (its number as text, or "mean"), the scores.
    """
    rows = pd.concat([folds.assign(fold=folds["fold"].astype("str")), means.assign(fold="mean")])
    rows = rows[rows["strategy"].isin(strategies) & rows["sequence"].eq(TARGET) & rows["class"].isin(classes)]
    table = _wide(rows, [*ARM_KEYS, "fold"], classes, METRICS).reset_index()
    places = {arm: place for place, arm in enumerate(table["arm"].unique())}
    table = table.sort_values("arm", key=lambda arms: arms.map(places), kind="stable", ignore_index=True)
    return table.drop(columns=["strategy", "tuned_layers", "fusion"])


def best_table(means: pd.DataFrame, arms: list[str], tissue: str) -> pd.DataFrame:
    """Tables 6 to 8: the best arms for one class on T2, means over folds, each with the voxel interval.

    Columns: `arm`, `t2_train_size`, `learning_rate`, `folds`, and for each metric its score and
    `METRIC_voxel_interval`. Without rows where there is one arm only.
    """
    if len(arms) < 2:
        arms = []
    rows = means[means["arm"].isin(arms) & means["sequence"].eq(TARGET) & means["class"].eq(tissue)]
    scores = [name for metric in METRICS for name in (metric, f"{metric}_{INTERVAL}")]
    columns = ["arm", "t2_train_size", "learning_rate", "folds", *scores]
    return with_intervals(rows)[columns].reset_index(drop=True)


def augmentation_table(means: pd.DataFrame) -> pd.DataFrame:
    """Table 9: the pretrained network and the augmented one on each sequence, means over folds.

    Columns: `sequence`, `row` (`without`, `with`, `difference_percent`), the scores, each with its voxel
    interval. The difference is 100 (with - without) / without, on unrounded values. Empty where one of
    the two strategies is missing, without the sequence on which one of them was not tested.
    """
    sides = {"no_fine_tuning": "without", "augmented": "with"}
    rows = means.assign(row=means["strategy"].map(sides)).dropna(subset="row")
    metrics = [name for metric in METRICS for name in (metric, f"{metric}_{INTERVAL}")]
    table = _wide(with_intervals(rows), ["sequence", "row"], classes_in(means), metrics)
    parts = {}
    for sequence in (SOURCE, TARGET):
        pair = table[table.index.get_level_values("sequence") == sequence].droplevel("sequence")
        if set(pair.index) == set(sides.values()):
            parts[sequence] = _with_difference(pair)
    if not parts:
        return pd.DataFrame(columns=["sequence", "row", *table.columns])
    return pd.concat(parts, names=["sequence"]).reset_index()


def _with_difference(pair: pd.DataFrame) -> pd.DataFrame:
    """The rows `without` and `with`, and what the second has more, in percent; undefined after a zero."""
    pair = pair.reindex(["without", "with"])
    scores = [name for name in pair.columns if not name.endswith(INTERVAL)]
    percent = 100 * pair[scores].pct_change().loc[["with"]].replace([np.inf, -np.inf], np.nan)
    rows = pd.concat([pair, percent.rename(index={"with": DIFFERENCE})])
    return rows[pair.columns].rename_axis("row")


def augmentation_differences(means: pd.DataFrame) -> pd.DataFrame:
    """The differences of Table 9 as `sequence, class, metric, value`, in percent."""
    table = augmentation_table(means)
    rows = table[table["row"] == DIFFERENCE].to_dict("records")
    cells = [
        {"sequence": row["sequence"], "class": name, "metric": metric, "value": row[f"{name}_{metric}"]}
        for row in rows
        for name in classes_in(means)
        for metric in METRICS
    ]
    return pd.DataFrame(cells, columns=["sequence", "class", "metric", "value"])


def with_intervals(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with the half width of the study's 95 % interval beside each metric p: 1.96 sqrt(p(1-p)/n).

    n is the class's true test voxels (of one fold; their mean where folds test other patients). The study
    counts voxels as independent trials, which neighbours in one head are not, and its own n fits its ten
    T1 test volumes, not the three of T2. It says nothing about other patients.
    """
    halves = {
        f"{name}_{INTERVAL}": NORMAL_95 * np.sqrt(rows[name] * (1 - rows[name]) / rows["voxels"])
        for name in METRICS
    }
    return rows.assign(**halves)


def _wide(
    rows: pd.DataFrame, keys: list[str], classes: Collection[str], metrics: Collection[str]
) -> pd.DataFrame:
    """Scores side by side, columns `CLASS_METRIC`; keys in the order of the rows become the index."""
    # Numbered, since a pivot would drop keys that have missing factors.
    numbered = rows.assign(number=rows.groupby(keys, dropna=False, sort=False).ngroup())
    wide = numbered.pivot(index="number", columns="class", values=list(metrics))
    wide.columns = wide.columns.map(lambda pair: f"{pair[1]}_{pair[0]}")
    index = pd.MultiIndex.from_frame(numbered.drop_duplicates("number")[keys])
    ordered = [f"{name}_{metric}" for name in classes for metric in metrics]
    return wide.reindex(columns=ordered).set_index(index)
