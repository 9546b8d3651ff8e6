"""Arms that are practically equal: two one-sided tests."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.weightstats import ttost_paired

from ablation.report.statistics.crossed import crossed
from ablation.report.statistics.equivalence import equivalence
from tests.builders.random_effects import random_tables

MARGIN = 2.0
"""Where a value's standard deviation is 1."""


def test_with_one_network_it_is_statsmodels_test() -> None:
    values = random_tables(1, 14, 1, network_share=0.0) + 0.3
    expected = ttost_paired(values[0, :, 0], np.zeros(14), -0.8, 0.8)[0]
    assert equivalence(crossed(values), 0.8)[0] == pytest.approx(expected)


def test_it_is_significant_where_the_90_per_cent_interval_lies_inside_the_margin() -> None:
    found = crossed(random_tables(2000, 14, 5, network_share=0.3) + 0.2)
    half = stats.t.ppf(0.95, found.degrees_of_freedom) * found.standard_error
    inside = (found.mean - half > -1) & (found.mean + half < 1)
    assert np.array_equal(equivalence(found, 1.0) < 0.05, inside)
    assert 0 < inside.mean() < 1


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_difference_as_large_as_the_margin_passes_for_equal_in_one_case_of_twenty(sign: int) -> None:
    tables = random_tables(10_000, 14, 5, network_share=0.6) + sign * MARGIN
    assert np.mean(equivalence(crossed(tables), MARGIN) < 0.05) <= 0.06
    alone = crossed(tables.mean(axis=2)[:, :, None])
    assert np.mean(equivalence(alone, MARGIN) < 0.05) > 0.2


def test_arms_that_score_the_same_are_equal_within_any_margin() -> None:
    found = crossed(np.concatenate([np.zeros((1, 4, 3)), np.full((1, 4, 3), 0.1)]))
    assert equivalence(found, 0.01).tolist() == [0, 1]
    assert equivalence(found, 0.2).tolist() == [0, 0]


def test_without_an_interval_there_is_no_test() -> None:
    assert np.isnan(equivalence(crossed(np.array([[[0.0]]])), 0.1)).all()
