"""What could have been shown: published numbers, and simulated patients."""

import math

import numpy as np
import pytest
from scipy import stats

from ablation.report.statistics.power import smallest_detectable


def test_the_detectable_difference_is_the_published_one() -> None:
    """For two-sided 5 % and 80 % power d = 0.5 needs 34 pairs, d = 0.8 needs 15, as G*Power has it."""
    assert smallest_detectable(1.0, 33) > 0.5 > smallest_detectable(1.0, 34)
    assert smallest_detectable(1.0, 14) > 0.8 > smallest_detectable(1.0, 15)


@pytest.mark.parametrize("number", [2, 3, 6, 14])
def test_a_true_difference_of_that_size_is_found_in_four_of_five_draws(number: int) -> None:
    difference = smallest_detectable(0.02, number)
    draws = np.random.default_rng(4).normal(difference, 0.02, size=(20_000, number))
    found = stats.ttest_1samp(draws, 0, axis=1).pvalue < 0.05
    assert found.mean() == pytest.approx(0.8, abs=0.012)


def test_it_is_unknown_where_no_spread_is_known() -> None:
    assert math.isnan(smallest_detectable(math.nan, 1))
    assert math.isnan(smallest_detectable(0.0, 6))
