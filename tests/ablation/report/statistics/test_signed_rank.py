"""The signed-rank test: numbers worked by hand, and those of SciPy."""

import math
from itertools import product

import numpy as np
import pytest
from scipy import stats

from ablation.report.statistics.signed_rank import signed_rank, smallest_p


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


@pytest.mark.parametrize("seed", range(6))
def test_p_is_that_of_scipys_permutation_method_whatever_ties_and_zeros_there_are(seed: int) -> None:
    rng = np.random.default_rng(seed)
    row = rng.integers(-2, 4, size=int(rng.integers(2, 8))) * 0.1
    every = stats.PermutationMethod(n_resamples=np.inf)
    assert signed_rank(row).p == pytest.approx(stats.wilcoxon(np.round(row, 12), method=every).pvalue)


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
