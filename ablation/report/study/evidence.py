"""The means that claims are judged by, of the study or of ours, under the same names."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import pandas as pd

from ablation.record.selection import select
from ablation.report.study.comparison import study_means
from ablation.report.study.layouts import BEST_TABLES, DIFFERENCE, augmentation_differences
from ablation.report.tables.arm_scores import best_of_strategies, comparable, mean_scores
from ablation.report.tables.costs import compute_time
from ablation.report.tables.training_size import training_size
from ablation.space.naming import arm_name
from t1t2core.evaluation.scores import METRICS

KEYS = ["arm", "sequence", "class", "metric"]


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """One side's numbers.

    Args:
        scores: means over folds by (arm, sequence, class, metric); those of the arm `difference_percent`
            are Table 9's differences.
        best: arms of Tables 6 to 8 by class, one a strategy.
        sizes: as of `training_size`; None where only a figure shows them.
        times: as of `compute_time`; None likewise.
        test_patients: of T2, in one fold.
    """

    scores: Mapping[tuple[str, str, str, str], float]
    best: Mapping[str, list[str]]
    sizes: pd.DataFrame | None
    times: pd.DataFrame | None
    test_patients: int


def strategy_of(arm: str) -> str:
    """`hybrid` of `hybrid average`."""
    return arm.partition(" ")[0]


@cache
def study_evidence() -> Evidence:
    """The study's, corrected where its own numbers disagree."""
    cells = study_means()
    cells = cells.assign(arm=_names(cells))
    tables = {tissue: int(name.removeprefix("table_")) for name, tissue in BEST_TABLES.items()}
    patients = cells[(cells["strategy"] == "split_testing") & (cells["sequence"] == "T2")]["corrected"]
    # Table 9 repeats rows of Table 3 with fewer digits.
    scores = cells[cells["metric"].isin(METRICS)].drop_duplicates(KEYS)
    return Evidence(
        scores=_by_key(scores, "corrected"),
        best={
            tissue: list(dict.fromkeys(cells[cells["table"] == table]["arm"]))
            for tissue, table in tables.items()
        },
        sizes=None,
        times=None,
        test_patients=int(patients.iloc[0]),
    )


def our_evidence(results: pd.DataFrame) -> Evidence:
    """Ours, from `results.csv`; the arms of Tables 6 to 8 are chosen by validation."""
    means = mean_scores(results)
    names = dict(zip(means["arm"], _names(means), strict=True))
    cells = means.assign(arm=means["arm"].map(names)).melt(KEYS[:-1], list(METRICS), "metric", "ours")
    differences = augmentation_differences(means).rename(columns={"value": "ours"}).assign(arm=DIFFERENCE)
    patients = select(comparable(results), split="test", sequence="T2")["patients"]
    times = compute_time(results)
    return Evidence(
        scores=_by_key(cells, "ours") | _by_key(differences, "ours"),
        best={
            tissue: [names[arm] for arm in best_of_strategies(results, tissue) if arm in names]
            for tissue in BEST_TABLES.values()
        },
        sizes=training_size(results),
        times=times.assign(arm=times["arm"].replace(names)),
        test_patients=0 if patients.empty else int(patients.max()),
    )


def _names(rows: pd.DataFrame) -> list[str]:
    return [
        arm_name(*factors) for factors in rows[["strategy", "tuned_layers", "fusion"]].itertuples(index=False)
    ]


def _by_key(cells: pd.DataFrame, column: str) -> dict[Any, float]:
    return dict(zip(cells[KEYS].itertuples(index=False, name=None), cells[column], strict=True))
