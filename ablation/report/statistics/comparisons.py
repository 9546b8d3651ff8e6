"""Arms compared pairwise on the patients and pretrained networks that both were tested with."""

from collections.abc import Collection
from itertools import combinations
from typing import Literal

import numpy as np
import pandas as pd

from ablation.report.statistics.bootstrap import bootstrap_intervals
from ablation.report.statistics.equivalence import equivalence
from ablation.report.statistics.multiple_testing import holm
from ablation.report.statistics.network_scores import Cube, network_scores
from ablation.report.statistics.power import smallest_detectable, smallest_difference
from ablation.report.statistics.signed_rank import signed_rank, smallest_p
from ablation.report.statistics.verdicts import verdicts
from ablation.report.tables.arms import best_arms
from t1t2core.evaluation.surface import DISTANCES
from t1t2core.settings import TARGET, Sequence

COMPARISONS = [
    "class",
    "first",
    "second",
    "difference",
    "low",
    "high",
    "verdict",
    "interval",
    "patients",
    "networks",
    "undefined",
    "mean_first",
    "mean_second",
    "sd",
    "p",
    "p_holm",
    "p_equivalence",
    "p_patients",
    "smallest_p",
    "effect",
    "detectable",
]
"""Columns. `difference`, mean of first - second; `low`, `high`, `interval`, its 95 % interval and how that
was made; `verdict`, see `verdicts`; `patients`, with a defined score under both arms; `networks`, pretrained
networks or folds that both were tested with; `undefined`, patients tested under both, but without a defined
score under one or both, and left out; `mean_first`, `mean_second`, over the former; `sd` of the patients'
differences (n - 1); `p`, and `p_holm`, Holm's correction within the class; `p_equivalence`, of two one-sided
tests against the margin; `p_patients`, Wilcoxon's signed-rank test, exact, over patients with these networks;
`smallest_p`, what this many patients can give at all before correction; `effect`, the matched-pairs
rank-biserial correlation, 1 where the first is better in every patient (for a distance, worse); `detectable`,
the difference that a test of this pair alone finds with 80 % power."""
Pairs = Collection[tuple[str, str]]


def comparisons(
    results: pd.DataFrame,
    patients: pd.DataFrame,
    *,
    pairs: Literal["all", "best"] | Pairs = "all",
    margin: float | None = None,
    metric: str = "dsc",
    tissues: Collection[str] | None = None,
    sequence: Sequence = TARGET,
) -> pd.DataFrame:
    """Paired differences between arms on test patients, for each class.

    Args:
        results, patients, metric: as for `network_scores`.
        pairs: `all`, each arm against the one that validation says is `best` for the class, or a list of
            them. Holm's correction counts the pairs of a class that were asked for. Of 40 arms all pairs are
            780, and 14 patients cannot give a p below 0.05 after correction for so many; against the best
            they are 39. State beforehand which is the question.
        margin: a difference that does not matter; None where none is stated.
        tissues: classes; None: all.
        sequence: that the arms were tested on; some are tested on the source as well.

    Returns `COMPARISONS`, a row a class and pair; no row for fewer than two arms.

    With two pretrained networks or more, or rotated test patients, interval and `p` hold beyond these
    networks (`crossed`, `nested`). With one network they are a bootstrap interval and the signed-rank test
    over patients, and hold for this network. A large p does not show that two arms are equal.
    """
    scores = network_scores(results, patients, metric=metric)
    best = best_arms(results) if pairs == "best" else {}
    tables = [
        _compare(cube, wanted, margin, metric).assign(**{"class": tissue})
        for tissue in (scores.classes if tissues is None else tissues)
        if (wanted := _wanted(pairs, cube := scores.of(sequence, tissue), best.get(tissue)))
    ]
    return pd.concat(tables, ignore_index=True)[COMPARISONS] if tables else pd.DataFrame(columns=COMPARISONS)


def _wanted(pairs: str | Pairs, cube: Cube, best: str | None) -> Pairs:
    """Return the pairs of arms that are asked for and were tested."""
    if not isinstance(pairs, str):
        return [pair for pair in pairs if set(pair) <= set(cube.arms)]
    return list(combinations(cube.arms, 2)) if pairs == "all" else _against(best, cube)


def _against(best: str | None, cube: Cube) -> list[tuple[str, str]]:
    """None where the best arm was not tested."""
    return [(best, arm) for arm in cube.arms if arm != best] if best in cube.arms else []


def _compare(cube: Cube, pairs: Pairs, margin: float | None, metric: str) -> pd.DataFrame:
    """Compare pairs of arms for one class."""
    first, second = (
        pd.Index(cube.arms).get_indexer(pd.Index([pair[side] for pair in pairs])) for side in (0, 1)
    )
    left, right = cube.values[first], cube.values[second]
    both = np.isfinite(left) & np.isfinite(right)
    left, right = np.where(both, left, np.nan), np.where(both, right, np.nan)
    shared = cube.tested[first] & cube.tested[second]
    table = _over_patients(cube.means(left), cube.means(right))
    table = table.assign(
        first=[pair[0] for pair in pairs],
        second=[pair[1] for pair in pairs],
        undefined=shared.sum(axis=1) - table["patients"],
        networks=1,
        p_patients=table["p"],
    )
    estimates = cube.estimate(left - right)
    if cube.kind != "one":
        table = table.assign(
            networks=estimates.networks,
            mean_first=cube.estimate(left).mean,
            mean_second=cube.estimate(right).mean,
            difference=estimates.mean,
            low=estimates.low,
            high=estimates.high,
            interval=estimates.methods,
            p=estimates.p,
            smallest_p=0.0,
            detectable=smallest_difference(estimates.standard_error, estimates.degrees_of_freedom),
        )
    equal = equivalence(estimates, margin)
    corrected = holm(table["p"].to_numpy(dtype=float))
    return table.assign(
        p_holm=corrected,
        p_equivalence=equal,
        verdict=verdicts(
            table["difference"].to_numpy(), corrected, equal, larger_is_better=metric not in DISTANCES
        ),
    )


def _over_patients(left: np.ndarray, right: np.ndarray) -> pd.DataFrame:
    """Statistics of each pair, a row of (pairs, patients), NaN where a patient is left out."""
    differences = pd.DataFrame(left - right)
    counts = differences.count(axis=1)
    found = bootstrap_intervals(differences.to_numpy())
    tests = [signed_rank(row[np.isfinite(row)]) for row in differences.to_numpy()]
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
            "p": [test.p for test in tests],
            "smallest_p": [smallest_p(n) for n in counts.tolist()],
            "effect": [test.effect for test in tests],
            "detectable": [
                smallest_detectable(sd, n) for sd, n in zip(spread.tolist(), counts.tolist(), strict=True)
            ],
        }
    )
