"""The study's printed values compared with ours."""

import pandas as pd

from ablation.report.study.layouts import DIFFERENCE, augmentation_differences
from ablation.report.study.paper import corrected
from ablation.report.tables.arm_scores import comparable, mean_scores
from ablation.space.naming import arm_name
from t1t2core.evaluation.scores import METRICS
from t1t2core.settings import TARGET

CELL = ["strategy", "tuned_layers", "fusion", "sequence", "class", "metric"]
OURS_OF = {
    "no_augmentation": "no_fine_tuning",
    "t2_augmentation": "augmented",
    "difference_percentage": DIFFERENCE,
}
"""Our names of the rows of Table 9; the pretrained network untouched is that of Table 3."""
COLUMNS = ["table", "arm", "t2_train_size", *CELL[3:], "printed", "corrected", "ours", "difference"]


def compare_with_paper(results: pd.DataFrame) -> pd.DataFrame:
    """Each cell of the study's Tables 2 to 9 that `results` has an equivalent of, a row each.

    Columns `COLUMNS`: `printed`, `corrected` (what the study's other numbers ask for; mostly the same),
    `ours`, and `difference`, ours - corrected. Ours is defined as theirs: pooled over the test voxels, the
    mean of folds metric by metric, seeds averaged within a fold; NaN where undefined. Single folds are not
    compared, since those of two cohorts have nothing in common but their number. Tables 6 to 8 repeat the
    study's choice of arms and are compared with the same arms. Rows of Table 9 called `difference_percent`
    are percentages; those of Table 2 count patients of a split.
    """
    means = mean_scores(results)
    ours = pd.concat([_scores(means), _differences(means), _patients(results)]).astype({"ours": "float64"})
    merged = study_means().merge(ours, on=CELL, how="inner")
    names = [arm_name(*factors) for factors in merged[CELL[:3]].itertuples(index=False)]
    return merged.assign(arm=names, difference=merged["ours"] - merged["corrected"])[COLUMNS]


def study_means() -> pd.DataFrame:
    """`study_cells()`: the means of folds and what has no folds."""
    return study_cells().query("fold in ('', 'avg')")


def study_cells() -> pd.DataFrame:
    """`corrected()` under our names: with `CELL` and `printed`."""
    cells = corrected()
    return cells.assign(
        strategy=cells["strategy"].replace(OURS_OF),
        tuned_layers=cells["tuned_layers"].replace("all", ""),
        sequence=cells["test_sequence"],
        printed=cells["value"],
    )


def _scores(means: pd.DataFrame) -> pd.DataFrame:
    return means.melt([*CELL[:-1], "t2_train_size"], list(METRICS), "metric", "ours")


def _differences(means: pd.DataFrame) -> pd.DataFrame:
    cells = augmentation_differences(means).rename(columns={"value": "ours"})
    return cells.assign(strategy=DIFFERENCE, tuned_layers="", fusion="")


def _patients(results: pd.DataFrame) -> pd.DataFrame:
    """Sizes of the splits, as far as results tell them: the most patients of any trial."""
    rows = comparable(results)
    scored = rows.groupby(["split", "sequence"])["patients"].max().rename("ours").reset_index()
    training = pd.DataFrame(
        {"split": ["training"], "sequence": [TARGET], "ours": [rows["t2_train_size"].max()]}
    ).dropna()
    sizes = pd.concat([training, scored])
    empty = {"tuned_layers": "", "fusion": "", "class": "", "metric": "patients"}
    return sizes.assign(strategy="split_" + sizes["split"].replace("test", "testing"), **empty)
