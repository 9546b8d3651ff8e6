"""The numbers that claims are judged by, of the study or of ours, under the same names."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pandas as pd

from ablation.report.study.comparison import study_cells
from ablation.report.study.differences import Differences, differences_of, differences_of_study
from ablation.report.study.layouts import BEST_TABLES, DIFFERENCE, augmentation_differences
from ablation.report.tables.arm_scores import best_of_strategies, comparable, mean_scores
from ablation.report.tables.choice import chosen
from ablation.report.tables.costs import compute_time, training_steps
from ablation.report.tables.training_size import ALL, DEPTH_STRATEGIES, on_equal_terms, training_size
from ablation.space.naming import arm_name
from t1t2core.evaluation.scores import METRICS

KEYS = ["arm", "sequence", "class", "metric"]
MARGIN = 0.01
"""Of a score, where the space states no `equivalence`; ours, the study names no bound."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """One side's numbers.

    Args:
        scores: means over folds by (arm, sequence, class, metric); those of the arm `difference_percent`
            are Table 9's differences.
        best: arms of Tables 6 to 8 by class, one a strategy.
        sizes: as of `training_size`; None where only a figure shows them.
        times: as of `compute_time`; None likewise.
        difference: between arms, with its interval.
        size_difference: the same between arms named by `sized_arm`; None where only a figure shows them.
        seconds: of a trial computed alone, a row a fold and seed, a column an arm; None likewise.
        steps: numbers of training steps of arms that train a fixed number; those that train until they
            converge, or not at all, are not among them.
        size_steps: the same of arms named by `sized_arm`.
        margin: the smallest difference in a score that counts.
    """

    scores: Mapping[tuple[str, str, str, str], float]
    best: Mapping[str, list[str]]
    sizes: pd.DataFrame | None
    times: pd.DataFrame | None
    difference: Differences
    size_difference: Differences | None = None
    seconds: pd.DataFrame | None = None
    steps: Mapping[str, float] = field(default_factory=dict)
    size_steps: Mapping[str, float] = field(default_factory=dict)
    margin: float = MARGIN


def strategy_of(arm: str) -> str:
    """`hybrid` of `hybrid average`."""
    return arm.partition(" ")[0]


def sized_arm(depth: object, patients: object) -> str:
    """Return the name of an arm of `training_size`."""
    return f"{depth} with {patients}"


@cache
def study_evidence(margin: float | None = None) -> Evidence:
    """The study's, corrected where its own numbers disagree."""
    every = study_cells()
    every = every.assign(arm=_names(every))
    cells = every.query("fold in ('', 'avg')")
    tables = {tissue: int(name.removeprefix("table_")) for name, tissue in BEST_TABLES.items()}
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
        difference=differences_of_study(every[every["metric"].isin(METRICS)]),
        margin=MARGIN if margin is None else margin,
    )


def our_evidence(results: pd.DataFrame, patients: pd.DataFrame, margin: float | None = None) -> Evidence:
    """Ours, from `results.csv` and `patients.csv`; the arms of Tables 6 to 8 are chosen by validation."""
    means = mean_scores(results)
    names = dict(zip(means["arm"], _names(means), strict=True))
    cells = means.assign(arm=means["arm"].map(names)).melt(KEYS[:-1], list(METRICS), "metric", "ours")
    differences = augmentation_differences(means).rename(columns={"value": "ours"}).assign(arm=DIFFERENCE)
    times = compute_time(results)
    compared = comparable(results)
    compared = compared.assign(arm=_names(compared))
    sized = sized_trials(results)
    return Evidence(
        scores=_by_key(cells, "ours") | _by_key(differences, "ours"),
        best={
            tissue: [names[arm] for arm in best_of_strategies(results, tissue) if arm in names]
            for tissue in BEST_TABLES.values()
        },
        sizes=training_size(results),
        times=times.assign(arm=times["arm"].replace(names)),
        difference=differences_of(compared, patients),
        size_difference=differences_of(sized, patients),
        seconds=_seconds(compared),
        steps=training_steps(compared),
        size_steps=training_steps(sized, converged=True),
        margin=MARGIN if margin is None else margin,
    )


def sized_trials(results: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that `training_size` is made of, arms named by `sized_arm`."""
    rows = chosen(on_equal_terms(results[results["strategy"].isin(DEPTH_STRATEGIES)]))
    depths = rows["tuned_layers"].replace("", ALL)
    names = [sized_arm(*each) for each in zip(depths, rows["t2_train_size"], strict=True)]
    return rows.assign(arm=names)


def _seconds(rows: pd.DataFrame) -> pd.DataFrame:
    """Seconds of a trial computed alone, a row a fold, a column an arm; seeds and networks averaged."""
    trials = rows.drop_duplicates("trial_key")
    return trials.pivot_table(index="fold", columns="arm", values="standalone_seconds", aggfunc="mean")


def _names(rows: pd.DataFrame) -> list[str]:
    return [
        arm_name(*factors) for factors in rows[["strategy", "tuned_layers", "fusion"]].itertuples(index=False)
    ]


def _by_key(cells: pd.DataFrame, column: str) -> dict[Any, float]:
    return dict(zip(cells[KEYS].itertuples(index=False, name=None), cells[column], strict=True))
