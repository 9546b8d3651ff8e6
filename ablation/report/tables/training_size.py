"""What more training patients bring at each depth of tuning (Fig. 5)."""

import pandas as pd

from ablation.record.selection import classes_in, select
from ablation.report.tables.arm_scores import DEPTHS
from ablation.report.tables.choice import chosen
from ablation.space.factors import ARM
from t1t2core.settings import TARGET

DEPTH_STRATEGIES = ("conservative", "open")
ALL = "all"
"""Tuned layers of `open`."""


def training_size(results: pd.DataFrame) -> pd.DataFrame:
    """Test Dice of each class by tuned layers and training patients, mean over folds and seeds.

    Columns: `tuned_layers` (`all` is open fine-tuning), `t2_train_size`, `learning_rate`, `folds`, and one
    for each class. Empty with fewer than two rows.

    Sizes compete on equal terms: at each depth only learning rates count that every size was trained with,
    and among those each size takes the one that is best on its validation. So a size for which more rates
    were tried gains nothing by that. Where sizes have no rate in common each keeps its own, as
    `learning_rate` shows.
    """
    tuned = results[results["strategy"].isin(DEPTH_STRATEGIES)]
    rows = select(chosen(on_equal_terms(tuned)), split="test", sequence=TARGET)
    groups = rows.groupby([*ARM, "learning_rate", "class"], dropna=False, sort=False)
    table = (
        groups["dsc"]
        .mean(skipna=False)
        .unstack("class")
        .reindex(columns=classes_in(results))
        .rename_axis(columns=None)
    )
    table.insert(0, "folds", groups["fold"].nunique().unstack("class").max(axis=1))
    table = table.reset_index().drop(columns=["strategy", "fusion"])
    places = table["tuned_layers"].map({depth: place for place, depth in enumerate(DEPTHS)})
    table = table.assign(place=places).sort_values(["place", "t2_train_size"], ignore_index=True)
    table = table.assign(tuned_layers=table["tuned_layers"].replace("", ALL)).drop(columns="place")
    return table if len(table) > 1 else table.iloc[:0]


def on_equal_terms(tuned: pd.DataFrame) -> pd.DataFrame:
    """Trials without the learning rates that some size of their depth lacks, unless none would be left.

    Args:
        tuned: rows of `DEPTH_STRATEGIES`, as in `results.csv`.
    """
    depth = ["strategy", "tuned_layers"]
    tried = tuned[[*ARM, "learning_rate"]].drop_duplicates()
    having = tried.groupby([*depth, "learning_rate"])["t2_train_size"].transform("nunique")
    sizes = tried.groupby(depth)["t2_train_size"].transform("nunique")
    tried = tried.assign(common=having.eq(sizes))
    any_common = tried.groupby(depth)["common"].transform("any")
    kept = tried[tried["common"] | ~any_common].drop(columns="common")
    return tuned.merge(kept, on=[*ARM, "learning_rate"], how="inner")
