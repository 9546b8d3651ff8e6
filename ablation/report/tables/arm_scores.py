"""Scores of each arm as the study gives them: pooled over the test voxels, a fold at a time, and the mean."""

import pandas as pd

from ablation.record.selection import select
from ablation.report.tables.arms import validation_scores
from ablation.report.tables.choice import chosen
from t1t2core.evaluation.scores import METRICS
from t1t2core.strategies import STRATEGIES

ARM_KEYS = ["arm", "strategy", "tuned_layers", "fusion", "t2_train_size", "learning_rate"]
KEYS = [*ARM_KEYS, "sequence", "class"]
CONTROLS = ("scratch", "norm_adaptation")
"""What the study lacks."""
MOST_LAYERS = 1000
"""Convolutions of a network that tables know the order of."""
STUDY_DEPTHS = ("fc", "3", "6", "9", "12", "15", "18")
DEPTHS = ("fc", *map(str, range(1, MOST_LAYERS + 1)), "")
"""Of `tuned_layers`, from few to all: `open` leaves it empty."""
FUSIONS = ("concatenation", "multiplication", "average", "maximum", "")
ORDERS = {"strategy": tuple(STRATEGIES), "tuned_layers": DEPTHS, "fusion": FUSIONS}
"""Of the study's tables, then what it lacks."""


def comparable(results: pd.DataFrame) -> pd.DataFrame:
    """The rows that the study's tables compare, in their order.

    Each arm at the learning rate that validation chose, and at its strategy's largest number of
    training patients (the study's tables have all of its eight).
    """
    rows = chosen(results)
    sizes = rows["t2_train_size"]
    largest = rows.groupby("strategy")["t2_train_size"].transform("max")
    return in_order(rows[sizes.isna() | sizes.eq(largest).fillna(False)])


def in_order(rows: pd.DataFrame) -> pd.DataFrame:
    """Sorted by strategy, depth and fusion as the study's tables are, then by training size and fold."""
    ranks = {name: rows[name].map({v: i for i, v in enumerate(order)}) for name, order in ORDERS.items()}
    others = {name: rows[name] for name in ("t2_train_size", "fold")}
    by = [*ranks, *others]
    return rows.loc[pd.DataFrame(ranks | others).sort_values(by, kind="stable").index]


def fold_scores(results: pd.DataFrame) -> pd.DataFrame:
    """Test scores of the comparable arms: `KEYS`, `fold`, the metrics, and `voxels`, the class's true ones.

    Seeds are averaged. A score that is undefined for one of them is undefined in the mean.
    """
    rows = select(comparable(results), split="test")
    return _mean(rows.assign(voxels=rows["tp"] + rows["fn"]), [*KEYS, "fold"])


def mean_scores(results: pd.DataFrame) -> pd.DataFrame:
    """`fold_scores` averaged over folds, metric by metric as the study does, with the number of `folds`.

    A score that is undefined in one fold is undefined in the mean: the mean of the others would hide it.
    """
    scores = fold_scores(results)
    folds = scores.groupby(KEYS, dropna=False, sort=False)["fold"].nunique()
    return _mean(scores, KEYS).assign(folds=folds.to_numpy())


def best_of_strategies(results: pd.DataFrame, tissue: str) -> list[str]:
    """Each strategy's arm with the best validation Dice of a class, by its name; test plays no part."""
    rows = comparable(results)
    strategies = rows[["arm", "strategy"]].drop_duplicates()
    scores = validation_scores(rows).merge(strategies, on="arm")
    best = scores[scores["class"] == tissue].drop_duplicates("strategy")["arm"]
    return [arm for arm in strategies["arm"] if arm in set(best)]


def _mean(rows: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    groups = rows.groupby(keys, dropna=False, sort=False)
    return groups[[*METRICS, "voxels"]].mean(skipna=False).reset_index()
