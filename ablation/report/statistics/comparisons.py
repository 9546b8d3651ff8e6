"""Arms compared pairwise on the patients that both were tested on."""

from itertools import combinations
from typing import Literal

import numpy as np
import pandas as pd

from ablation.report.statistics.bootstrap import bootstrap_intervals
from ablation.report.statistics.multiple_testing import holm
from ablation.report.statistics.power import smallest_detectable
from ablation.report.statistics.signed_rank import signed_rank, smallest_p
from ablation.report.tables.arms import best_arms
from ablation.report.tables.patient_scores import patient_scores
from ablation.report.tables.summary import TISSUES

COMPARISONS = [
    "class",
    "first",
    "second",
    "patients",
    "undefined",
    "mean_first",
    "mean_second",
    "difference",
    "sd",
    "low",
    "high",
    "interval",
    "p",
    "p_holm",
    "smallest_p",
    "effect",
    "detectable",
]


def comparisons(
    results: pd.DataFrame,
    patients: pd.DataFrame,
    *,
    pairs: Literal["all", "best"] = "all",
    metric: str = "dsc",
) -> pd.DataFrame:
    """Paired differences between arms on T2 test patients, for bone, soft tissue and air.

    Args:
        results, patients, metric: as for `patient_scores`.
        pairs: `all`, or each arm against the one that validation says is `best` for the class. Holm's
            correction counts the pairs of a class that were asked for. Of 40 arms all pairs are 780, and
            14 patients cannot give a p below 0.05 after correction for so many; against the best they
            are 39. State beforehand which is the question.

    Returns:
        A row a class and pair; no row for fewer than two arms.
        `patients`, with a defined score under both arms; `undefined`, tested under both, but without a
        defined score under one or both, and left out; `mean_first`, `mean_second`, over the former;
        `difference`, mean of first - second; `sd` of the differences (n - 1); `low`, `high`, `interval`, as
        in `intervals`; `p`, Wilcoxon's signed-rank test, exact, and `p_holm`, Holm's correction within the
        class; `smallest_p`, what this many patients can give at all before correction; `effect`, the
        matched-pairs rank-biserial correlation, 1 where the first is better in every patient (for a
        distance, worse); `detectable`, the difference that a test of this pair alone finds with 80 % power.

    A large p does not show that two arms are equal. Patients are taken as independent; the networks that
    segmented them are not where folds share training patients.
    """
    scores = patient_scores(results, patients, metric=metric)
    scores = scores[scores["sequence"] == "T2"]
    best = best_arms(results)
    tables = []
    for tissue in TISSUES:
        part = scores[scores["class"] == tissue]
        arms = part["arm"].drop_duplicates().tolist()
        wanted = list(combinations(arms, 2)) if pairs == "all" else _against(best.get(tissue), arms)
        if wanted:
            tables.append(_compare(part, wanted).assign(**{"class": tissue}))
    return pd.concat(tables, ignore_index=True)[COMPARISONS] if tables else pd.DataFrame(columns=COMPARISONS)


def _against(best: str | None, arms: list[str]) -> list[tuple[str, str]]:
    """None where the best arm was not tested."""
    return [(best, arm) for arm in arms if arm != best] if best in arms else []


def _compare(scores: pd.DataFrame, pairs: list[tuple[str, str]]) -> pd.DataFrame:
    """Compare pairs of arms for one class."""
    values = scores.pivot(index="arm", columns="patient", values="value").astype("float64")
    tested = scores.assign(value=True).pivot(index="arm", columns="patient", values="value").notna()
    first = values.index.get_indexer(pd.Index([pair[0] for pair in pairs]))
    second = values.index.get_indexer(pd.Index([pair[1] for pair in pairs]))
    left, right = values.to_numpy()[first], values.to_numpy()[second]
    both = np.isfinite(left) & np.isfinite(right)
    shared = tested.to_numpy()[first] & tested.to_numpy()[second]
    table = _describe(np.where(both, left, np.nan), np.where(both, right, np.nan))
    return table.assign(
        first=[pair[0] for pair in pairs],
        second=[pair[1] for pair in pairs],
        undefined=(shared & ~both).sum(axis=1),
    )


def _describe(left: np.ndarray, right: np.ndarray) -> pd.DataFrame:
    """Statistics of each pair, a row of (pairs, patients), NaN where a patient is left out."""
    differences = pd.DataFrame(left - right)
    counts = differences.count(axis=1)
    found = bootstrap_intervals(differences.to_numpy())
    tests = [signed_rank(row[np.isfinite(row)]) for row in differences.to_numpy()]
    p = np.array([test.p for test in tests])
    spread = differences.std(axis=1)
    return pd.DataFrame(
        {
            "patients": counts,
            "mean_first": pd.DataFrame(left).mean(axis=1),
            "mean_second": pd.DataFrame(right).mean(axis=1),
            "difference": differences.mean(axis=1),
            "sd": spread,
            "low": found.low,
            "high": found.high,
            "interval": found.notes,
            "p": p,
            "p_holm": holm(p),
            "smallest_p": [smallest_p(n) for n in counts.tolist()],
            "effect": [test.effect for test in tests],
            "detectable": [
                smallest_detectable(sd, n) for sd, n in zip(spread.tolist(), counts.tolist(), strict=True)
            ],
        }
    )
