"""Rotated test patients: each is tested under the network of its fold alone."""

import math

import numpy as np
import pytest
from scipy import stats

from ablation.report.statistics.crossed import crossed
from ablation.report.statistics.nested import nested
from ablation.report.statistics.signed_rank import signed_rank
from tests.builders.random_effects import random_tables, rotated

FOLDS = np.repeat([0, 1, 2], [5, 5, 4])


def test_the_interval_is_students_over_the_means_of_folds() -> None:
    values = random_tables(1, 14, 1, network_share=0.0)[:, :, 0]
    found = nested(values, FOLDS)
    means = [values[0, fold == FOLDS].mean() for fold in range(3)]
    assert found.mean[0] == pytest.approx(np.mean(means))
    assert found.p[0] == pytest.approx(stats.ttest_1samp(means, 0).pvalue)
    assert (found.patients[0], found.networks[0], found.degrees_of_freedom[0]) == (14, 3, 2)
    assert found.methods == ["over the means of 3 folds"]


def test_folds_may_have_any_names_in_any_order() -> None:
    values = random_tables(1, 6, 1, network_share=0.0)[:, :, 0]
    found = nested(values, np.array(["b", "a", "b", "a", "c", "c"]))
    ordered = nested(values[:, [1, 3, 0, 2, 4, 5]], np.array([1, 1, 2, 2, 3, 3]))
    assert found.p[0] == pytest.approx(ordered.p[0])


def test_one_fold_gives_an_interval_over_its_patients_that_holds_for_its_network() -> None:
    values = random_tables(1, 6, 1, network_share=0.0)[:, :, 0]
    found = nested(values, np.ones(6))
    assert found.low[0] == crossed(values[:, :, None]).low[0]
    assert found.methods == ["over patients; holds for this one pretrained network"]


def test_patients_and_folds_without_a_value_are_left_out() -> None:
    values = np.array([[0.1, math.nan, 0.3, 0.2, math.nan], [0.1, 0.2, math.nan, math.nan, math.nan]])
    found = nested(values, np.array([1, 1, 2, 2, 3]))
    assert found.patients.tolist() == [3, 2]
    assert found.networks.tolist() == [2, 1]
    assert found.mean[0] == pytest.approx((0.1 + 0.25) / 2)
    assert found.methods == ["over the means of 2 folds", "none: patients of 1 fold"]
    assert np.isnan(found.p[1])


def test_equal_differences_say_so() -> None:
    found = nested(np.zeros((1, 6)), np.array([1, 1, 2, 2, 3, 3]))
    assert found.p[0] == 1
    assert found.methods == ["over the means of 3 folds; all values are equal"]


def test_components_between_folds_and_between_patients_are_found_again() -> None:
    tables = random_tables(4000, 14, 3, network_share=0.4)
    found = nested(rotated(tables, FOLDS), FOLDS)
    assert found.patient_variance.mean() == pytest.approx(0.6, abs=0.02)
    assert found.network_variance.mean() == pytest.approx(0.4, abs=0.06)  # negative ones are 0


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.9])
def test_fold_means_keep_the_error_that_the_signed_rank_test_does_not(share: float) -> None:
    values = rotated(random_tables(2000, 14, 3, network_share=share), FOLDS)
    assert np.mean(nested(values, FOLDS).p < 0.05) < 0.065
    if share > 0:
        assert np.mean([signed_rank(row).p < 0.05 for row in values[:500]]) > 0.1
