"""What a few patients can tell: numbers worked by hand, scipy's own, and simulated patients."""

import math
from itertools import product

import numpy as np
import pytest
from scipy import stats

from ablation.report.statistics.statistics import (
    FEWEST_PATIENTS,
    bootstrap_intervals,
    holm,
    signed_rank,
    smallest_detectable,
    smallest_p,
)


def patients(*rows: list[float]) -> np.ndarray:
    return np.array(rows, dtype=float)


# Intervals


def test_five_patients_get_no_interval_and_are_told_why() -> None:
    found = bootstrap_intervals(patients([0.1, 0.2, 0.3, 0.4, 0.5, math.nan], [0.1] + 5 * [math.nan]))
    assert np.isnan(found.low).all()
    assert np.isnan(found.high).all()
    assert found.notes == [
        "none: 5 patients, an interval needs 6",
        "none: 1 patient, an interval needs 6",
    ]


def test_six_patients_get_one_around_their_mean_within_their_range() -> None:
    row = [0.41, 0.44, 0.47, 0.52, 0.55, 0.60]
    found = bootstrap_intervals(patients(row))
    assert min(row) < found.low[0] < np.mean(row) < found.high[0] < max(row)
    assert found.notes == ["BCa bootstrap"]


def test_equal_patients_have_an_interval_without_width() -> None:
    found = bootstrap_intervals(np.full((1, 8), 0.25))
    assert (found.low[0], found.high[0]) == pytest.approx((0.25, 0.25))
    assert found.notes == ["percentile bootstrap"]


def test_an_interval_does_not_depend_on_what_else_is_asked_or_where_patients_are_missing() -> None:
    rng = np.random.default_rng(0)
    table = rng.normal(size=(100, 9))
    table[::3, 4] = np.nan
    together = bootstrap_intervals(table)
    for row in (0, 1, 70, 99):
        alone = bootstrap_intervals(table[row : row + 1][:, np.isfinite(table[row])])
        assert alone.low[0] == pytest.approx(together.low[row], abs=1e-3)
        assert alone.high[0] == pytest.approx(together.high[row], abs=1e-3)


def test_symmetric_patients_have_nearly_students_interval() -> None:
    """What the expanded level is for; the plain one would be a fifth narrower."""
    row = np.linspace(-1, 1, 10)
    found = bootstrap_intervals(row[None])
    student = stats.t.interval(0.95, 9, loc=row.mean(), scale=stats.sem(row))
    assert found.high[0] - found.low[0] == pytest.approx(student[1] - student[0], rel=0.04)


@pytest.mark.parametrize(("number", "least"), [(6, 0.90), (14, 0.92)])
def test_intervals_hold_the_truth_about_as_often_as_they_say(number: int, least: float) -> None:
    """Dice-like patients, beta(12, 3): 0.93 and 0.94 of 1,000 draws; the plain BCa interval 0.86 and 0.91."""
    draws = np.random.default_rng(1).beta(12, 3, size=(600, number))
    found = bootstrap_intervals(draws)
    covered = np.mean((found.low <= 0.8) & (found.high >= 0.8))
    assert least <= covered <= 0.98


# The test


def test_p_is_scipys_exact_one_without_ties() -> None:
    rng = np.random.default_rng(2)
    for number in (1, 3, 6, 14, 40):
        row = rng.normal(0.5, 1, size=number)
        assert signed_rank(row).p == pytest.approx(stats.wilcoxon(row, method="exact").pvalue)


def test_with_ties_and_zeros_p_is_that_of_all_sign_flips() -> None:
    row = np.array([0.1, 0.1, -0.2, 0.3, 0.3, 0.0, 0.5, -0.1])
    ranks = stats.rankdata(np.abs(row[row != 0]))
    observed = abs(ranks @ np.sign(row[row != 0]))
    sums = [abs(ranks @ np.array(signs)) for signs in product((-1, 1), repeat=7)]
    expected = np.mean([total >= observed - 1e-9 for total in sums])
    assert signed_rank(row).p == pytest.approx(expected)


def test_the_effect_is_the_difference_of_the_rank_sums_shares() -> None:
    # Ranks 1, 2, 3 and 4; the second is negative: (8 - 2) / 10.
    assert signed_rank(np.array([0.1, -0.2, 0.3, 0.4])).effect == pytest.approx(0.6)
    assert signed_rank(-np.array([0.1, -0.2, 0.3, 0.4])).effect == pytest.approx(-0.6)
    assert signed_rank(np.array([0.1, 0.2, 0.3])).effect == 1


def test_scores_that_differ_by_rounding_alone_tie() -> None:
    row = np.array([0.3 - 0.2, 0.1, 0.1, -0.1])
    assert signed_rank(row) == signed_rank(np.array([0.1, 0.1, 0.1, -0.1]))


def test_no_difference_at_all_is_no_evidence_and_no_patient_no_test() -> None:
    same, none = signed_rank(np.zeros(6)), signed_rank(np.array([]))
    assert same.p == 1
    assert math.isnan(same.effect)
    assert math.isnan(none.p)
    assert math.isnan(none.effect)


@pytest.mark.parametrize("number", [1, 3, 6, 14])
def test_the_smallest_p_is_that_of_patients_who_all_agree(number: int) -> None:
    assert smallest_p(number) == pytest.approx(signed_rank(np.arange(1.0, number + 1)).p)


def test_three_patients_can_never_give_less_than_a_quarter() -> None:
    assert smallest_p(3) == 0.25
    assert math.isnan(smallest_p(0))


# Correction


def test_holm_by_hand() -> None:
    # In order 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1 are 0.02, 0.03, 0.06, 0.04; the last is raised.
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_stops_at_one_and_does_not_count_what_was_not_tested() -> None:
    adjusted = holm(np.array([0.4, np.nan, 0.6]))
    assert adjusted[[0, 2]] == pytest.approx([0.8, 0.8])
    assert np.isnan(adjusted[1])
    assert holm(np.array([])).size == 0


def test_after_holm_a_false_positive_among_arms_that_are_equal_is_rare() -> None:
    """Ten arms against one, which makes the tests dependent; without correction a third of the draws err."""
    rng = np.random.default_rng(3)
    raw = corrected = 0
    for _ in range(200):
        scores = rng.normal(size=(11, 14))
        p = np.array([signed_rank(scores[0] - other).p for other in scores[1:]])
        raw += p.min() < 0.05
        corrected += holm(p).min() < 0.05
    assert raw > 40
    assert corrected <= 16


# What could have been shown


def test_the_detectable_difference_is_the_published_one() -> None:
    """For two-sided 5 % and 80 % power d = 0.5 needs 34 pairs, d = 0.8 needs 15, as G*Power has it."""
    assert smallest_detectable(1.0, 33) > 0.5 > smallest_detectable(1.0, 34)
    assert smallest_detectable(1.0, 14) > 0.8 > smallest_detectable(1.0, 15)


@pytest.mark.parametrize("number", [2, 3, FEWEST_PATIENTS, 14])
def test_a_true_difference_of_that_size_is_found_in_four_of_five_draws(number: int) -> None:
    difference = smallest_detectable(0.02, number)
    draws = np.random.default_rng(4).normal(difference, 0.02, size=(20_000, number))
    found = stats.ttest_1samp(draws, 0, axis=1).pvalue < 0.05
    assert found.mean() == pytest.approx(0.8, abs=0.012)


def test_it_is_unknown_where_no_spread_is_known() -> None:
    assert math.isnan(smallest_detectable(math.nan, 1))
    assert math.isnan(smallest_detectable(0.0, 6))
