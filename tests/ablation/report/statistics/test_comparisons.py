"""Arms against each other, on the patients that both segmented."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ablation.report.statistics.comparisons import COMPARISONS, comparisons
from tests.builders.random_effects import random_tables, rotated
from tests.builders.tables import of_class, sweep, trial

OPEN = [0.50, 0.52, 0.48, 0.55, 0.47, 0.60]
BETTER = [0.53, 0.56, 0.50, 0.60, 0.53, 0.67]


def bone(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["class"] == "bone"].set_index(["first", "second"])


def test_a_pair_by_hand_and_by_scipy() -> None:
    table = comparisons(*sweep(trial("scratch", test=BETTER), trial("open", test=OPEN)))
    assert list(table.columns) == COMPARISONS
    assert table["class"].tolist() == ["bone", "soft_tissue", "air"]
    row, differences = table.iloc[0], np.subtract(BETTER, OPEN)
    assert (row["first"], row["second"], row["patients"], row["undefined"]) == ("scratch", "open", 6, 0)
    assert row["difference"] == pytest.approx(differences.mean())
    assert row["mean_first"] - row["mean_second"] == pytest.approx(row["difference"])
    assert row["sd"] == pytest.approx(differences.std(ddof=1))
    assert row["p"] == pytest.approx(stats.wilcoxon(differences, method="exact").pvalue)
    assert (row["p"], row["smallest_p"], row["effect"]) == (0.03125, 0.03125, 1)
    assert 0 < row["low"] < row["difference"] < row["high"]
    # 1.4345 standard deviations: the noncentral t distribution with 5 degrees of freedom.
    assert row["detectable"] == pytest.approx(1.4345 * row["sd"], rel=1e-3)


def test_folds_do_not_make_more_patients() -> None:
    arms = [
        trial(name, fold=f, test=s) for name, s in (("open", OPEN), ("scratch", BETTER)) for f in (1, 2, 3)
    ]
    once = comparisons(*sweep(trial("open", test=OPEN), trial("scratch", test=BETTER)))
    thrice = comparisons(*sweep(*arms))
    pd.testing.assert_frame_equal(once, thrice, rtol=1e-3)


def test_only_patients_of_both_count_and_undefined_ones_are_told() -> None:
    first = trial("open", test={"a": 0.5, "b": 0.6, "c": 0.7, "d": 0.1})
    second = trial("scratch", test={"b": 0.5, "c": 0.5, "d": 0.5, "e": 0.9})
    results, patients = sweep(first, second)
    absent = (patients["class"] == "bone") & (patients["patient"] == "d") & (patients["strategy"] == "open")
    patients.loc[absent, "dsc"] = math.nan
    table = comparisons(results, patients).set_index("class")
    assert tuple(table.loc["bone", ["patients", "undefined"]]) == (2, 1)
    assert table.loc["bone", "difference"] == pytest.approx(0.15)
    assert tuple(table.loc["air", ["patients", "undefined"]]) == (3, 0)


def test_with_three_patients_nothing_can_be_small() -> None:
    row = comparisons(
        *sweep(trial("open", test=[0.1, 0.2, 0.3]), trial("scratch", test=[0.7, 0.9, 0.8]))
    ).iloc[0]
    assert (row["p"], row["smallest_p"]) == (0.25, 0.25)
    assert math.isnan(row["low"])
    assert row["interval"] == "none: 3 patients, an interval needs 6"


def test_holm_counts_the_pairs_of_one_class() -> None:
    results, patients = sweep(
        trial("open", test=OPEN), trial("scratch", test=BETTER), trial("augmented", test=np.add(BETTER, 0.1))
    )
    table = bone(comparisons(results, patients))
    assert len(table) == 3
    assert table["p"].tolist() == [0.03125] * 3
    assert table["p_holm"].tolist() == pytest.approx([0.09375] * 3)


def test_against_the_best_means_the_one_that_validation_chose() -> None:
    results, patients = sweep(
        trial("open", validation=0.9, test=OPEN),
        trial("scratch", validation=0.5, test=BETTER),
        trial("augmented", validation=0.6, test=OPEN),
    )
    table = bone(comparisons(results, patients, pairs="best"))
    assert list(table.index) == [("open", "scratch"), ("open", "augmented")]
    assert table["p_holm"].tolist() == pytest.approx([0.0625, 1])


def test_arms_that_segment_alike_do_not_differ() -> None:
    row = comparisons(*sweep(trial("open", test=OPEN), trial("scratch", test=OPEN))).iloc[0]
    assert (row["difference"], row["p"], row["p_holm"]) == (0, 1, 1)
    assert (row["low"], row["high"], row["interval"]) == (0, 0, "percentile bootstrap")
    assert math.isnan(row["effect"])
    assert math.isnan(row["detectable"])


def test_a_class_without_a_defined_score_compares_nothing() -> None:
    results, patients = sweep(trial("open", test=OPEN), trial("scratch", test=BETTER))
    row = comparisons(results, of_class(patients, "bone", math.nan)).iloc[0]
    assert (row["patients"], row["undefined"]) == (0, 6)
    assert row[["difference", "p", "p_holm", "smallest_p", "detectable"]].isna().all()


@pytest.mark.parametrize("arms", [0, 1])
def test_fewer_than_two_arms_make_no_pair(arms: int) -> None:
    for pairs in ("all", "best"):
        table = comparisons(*sweep(*[trial(test=OPEN)][:arms]), pairs=pairs)
        assert list(table.columns) == COMPARISONS
        assert table.empty


def test_t1_heads_are_not_compared_with_t2_heads() -> None:
    assert comparisons(*sweep(trial("open", test=OPEN), trial("augmented", test=OPEN, sequence="T1"))).empty


def test_rotated_test_patients_are_judged_by_the_means_of_folds() -> None:
    arms = [
        trial(name, test={f"{fold}{p}": score + shift for p in "abc"[:size]}, fold=fold, network=fold)
        for name, shifts in (("open", (0.01, 0.02, 0.04)), ("scratch", (0.0, 0.0, 0.0)))
        for fold, shift, size, score in zip((1, 2, 3), shifts, (3, 3, 2), (0.5, 0.6, 0.7), strict=True)
    ]
    row = comparisons(*sweep(*arms)).iloc[0]
    expected = stats.ttest_1samp([0.01, 0.02, 0.04], 0)
    interval = expected.confidence_interval()
    assert (row["patients"], row["networks"], row["interval"]) == (8, 3, "over the means of 3 folds")
    assert row["p"] == pytest.approx(expected.pvalue)
    assert (row["low"], row["high"]) == pytest.approx((interval.low, interval.high))
    assert row["difference"] == pytest.approx((row["low"] + row["high"]) / 2)
    assert row["difference"] == pytest.approx(row["mean_first"] - row["mean_second"])


def test_rotated_tests_find_a_difference_that_is_none_as_often_as_they_say() -> None:
    """300 arms that are as good as the reference; three fifths of the variance lie between folds."""
    folds = np.repeat([1, 2, 3], [5, 5, 4])
    draws = 0.5 + 0.05 * rotated(random_tables(300, 14, 3, network_share=0.6), folds - 1)
    names = [f"{number:03}" for number in range(len(draws))]
    arms = [
        trial("conservative", name, fold=fold, network=fold, test=dict(_of(values, folds == fold)))
        for name, values in [("reference", np.full(14, 0.5)), *zip(names, draws, strict=True)]
        for fold in (1, 2, 3)
    ]
    pairs = [(f"conservative {name}", "conservative reference") for name in names]
    table = comparisons(*sweep(*arms), pairs=pairs, tissues=["bone"])
    assert len(table) == 300
    assert 0.02 < (table["p"] < 0.05).mean() < 0.09
    assert ((table["low"] <= 0) & (table["high"] >= 0)).mean() > 0.91
    assert (table["p_patients"] < 0.05).mean() > 0.15


def _of(values: np.ndarray, kept: np.ndarray) -> list[tuple[str, float]]:
    return [(f"p{place}", float(values[place])) for place in np.flatnonzero(kept)]


def test_a_sweep_of_forty_arms_has_all_its_pairs() -> None:
    rng = np.random.default_rng(0)
    arms = [trial("conservative", str(n), test=rng.normal(0.5, 0.1, size=14).tolist()) for n in range(40)]
    table = comparisons(*sweep(*arms))
    assert len(table) == 3 * 780
    assert table["p"].between(2 / 2**14, 1).all()
    assert (table["p_holm"] > 0.05).all()
