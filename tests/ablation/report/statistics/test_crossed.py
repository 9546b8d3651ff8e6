"""Means over patients and pretrained networks: what their intervals hold, and what happens at the edges."""

import math

import numpy as np
import pytest
from scipy import stats

from ablation.report.statistics.crossed import crossed
from ablation.report.statistics.estimates import Estimates
from tests.builders.random_effects import Effects, random_tables

DRAWS = 10_000
NETWORK_SHARES = (0.0, 0.2, 0.4, 0.6, 0.8)
TABLE = np.array([[1.0, 3.0, 2.0], [2.0, 5.0, 2.0], [4.0, 6.0, 8.0], [1.0, 2.0, 6.0]])
"""Four patients under three networks."""


def coverage(found: Estimates) -> float:
    return float(np.mean((found.low <= 0) & (found.high >= 0)))


def over_patients_alone(tables: np.ndarray) -> Estimates:
    return crossed(tables.mean(axis=2)[:, :, None])


def test_a_table_worked_out_by_hand() -> None:
    """By the textbook's sums of squares."""
    found = crossed(TABLE[None])
    assert found.mean[0] == pytest.approx(3.5)
    a = 3 * np.var(TABLE.mean(axis=1), ddof=1)
    b = 4 * np.var(TABLE.mean(axis=0), ddof=1)
    left = TABLE - TABLE.mean(axis=1, keepdims=True) - TABLE.mean(axis=0) + 3.5
    e = (left**2).sum() / 6
    assert found.standard_error[0] == pytest.approx(math.sqrt((a + b - e) / 12))
    satterthwaite = (a + b - e) ** 2 / (a**2 / 3 + b**2 / 2 + e**2 / 6)
    assert found.degrees_of_freedom[0] == pytest.approx(min(satterthwaite, 3))
    assert (found.patient_variance[0], found.network_variance[0]) == pytest.approx(((a - e) / 3, (b - e) / 4))
    assert found.rest_variance[0] == pytest.approx(e)
    assert found.network_spread[0] == pytest.approx(np.std(TABLE.mean(axis=0), ddof=1))
    assert (found.patients[0], found.networks[0]) == (4, 3)
    assert found.methods == ["patients and pretrained networks crossed"]


def test_interval_and_p_agree_about_zero() -> None:
    found = crossed(random_tables(2000, 6, 3, network_share=0.3) + 0.8)
    assert np.array_equal(found.p < 0.05, (found.low > 0) | (found.high < 0))
    assert 0 < np.mean(found.p < 0.05) < 1


def test_one_network_gives_students_interval_and_says_what_it_holds_for() -> None:
    found = crossed(TABLE[None, :, :1])
    expected = stats.ttest_1samp(TABLE[:, 0], 0)
    interval = expected.confidence_interval()
    assert (found.low[0], found.high[0]) == pytest.approx((interval.low, interval.high))
    assert found.p[0] == pytest.approx(expected.pvalue)
    assert found.methods == ["over patients; holds for this one pretrained network"]
    assert np.isnan(found.network_variance[0])
    assert found.patient_variance[0] == pytest.approx(np.var(TABLE[:, 0], ddof=1))


def test_one_patient_gives_an_interval_over_networks() -> None:
    found = crossed(TABLE[None, :1])
    assert found.p[0] == pytest.approx(stats.ttest_1samp(TABLE[0], 0).pvalue)
    assert found.methods == ["over pretrained networks; holds for this one patient"]
    assert np.isnan(found.patient_variance[0])


def test_one_value_or_none_has_no_interval() -> None:
    found = crossed(np.array([[[0.1]], [[math.nan]]]))
    assert found.mean[0] == pytest.approx(0.1)
    assert np.isnan([*found.low, *found.high, *found.p, found.mean[1]]).all()
    assert found.methods == [
        "none: 1 patient, 1 pretrained network",
        "none: no patient has a value under every pretrained network",
    ]


def test_patients_under_one_network_each_are_not_crossed() -> None:
    """As where test patients rotate: there `nested` has the answer."""
    found = crossed(np.where(np.eye(3, dtype=bool), TABLE[:3], math.nan)[None])
    assert found.patients[0] == 0
    assert np.isnan(found.p[0])
    assert found.methods == ["none: no patient has a value under every pretrained network"]


def test_a_patient_without_a_value_under_some_network_is_left_out() -> None:
    holed = TABLE.copy()
    holed[1, 2] = math.nan
    found, without = crossed(holed[None]), crossed(np.delete(TABLE, 1, axis=0)[None])
    assert found.patients[0] == 3
    assert (found.low[0], found.p[0]) == pytest.approx((without.low[0], without.p[0]))


def test_a_network_under_which_nothing_ran_costs_no_patient() -> None:
    unfinished = np.column_stack([TABLE, np.full(4, math.nan)])
    found = crossed(unfinished[None])
    assert (found.patients[0], found.networks[0]) == (4, 3)
    assert found.p[0] == pytest.approx(crossed(TABLE[None]).p[0])


def test_a_pair_does_not_depend_on_what_else_is_asked() -> None:
    tables = random_tables(50, 5, 3, network_share=0.3)
    tables[::4, 2, 1] = math.nan
    together = crossed(tables)
    for row in range(50):
        assert crossed(tables[row : row + 1]).low[0] == pytest.approx(together.low[row])


def test_arms_that_score_the_same_everywhere_do_not_differ() -> None:
    found = crossed(np.zeros((1, 14, 5)))
    assert (found.low[0], found.high[0], found.p[0]) == (0, 0, 1)
    assert found.methods == ["patients and pretrained networks crossed; all values are equal"]


def test_the_same_difference_everywhere_is_an_interval_without_width() -> None:
    found = crossed(np.full((1, 14, 5), 0.1))
    assert (found.low[0], found.high[0]) == pytest.approx((0.1, 0.1))
    assert found.p[0] == 0


def test_the_error_is_never_below_that_of_the_larger_one_way_analysis() -> None:
    """Where the rest is larger than one of the mean squares, the closed form alone would be."""
    tables = random_tables(500, 4, 3, network_share=0.0, patient_share=0.1)
    found = crossed(tables)
    over_patients = stats.sem(tables.mean(axis=2), axis=1)
    over_networks = stats.sem(tables.mean(axis=1), axis=1)
    assert (found.standard_error >= np.maximum(over_patients, over_networks) - 1e-12).all()
    assert np.isclose(found.standard_error, np.maximum(over_patients, over_networks)).mean() > 0.3


@pytest.mark.parametrize("effects", ["normal", "exponential", "lognormal"])
@pytest.mark.parametrize("share", NETWORK_SHARES)
def test_14_patients_and_5_networks_hold_the_truth_as_often_as_they_say(
    share: float, effects: Effects
) -> None:
    tables = random_tables(DRAWS, 14, 5, network_share=share, effects=effects)
    assert 0.93 <= coverage(crossed(tables)) <= 0.98


@pytest.mark.parametrize("patient_share", [0.1, 0.9])
@pytest.mark.parametrize("share", NETWORK_SHARES)
def test_they_do_whether_patients_differ_much_or_little(share: float, patient_share: float) -> None:
    tables = random_tables(DRAWS, 14, 5, network_share=share, patient_share=patient_share)
    assert 0.93 <= coverage(crossed(tables)) <= 0.98


def test_very_skewed_patients_are_a_matter_of_students_t_and_not_of_networks() -> None:
    """The one corner where 14 patients and 5 networks fall short of 93 %."""
    tables = random_tables(DRAWS, 14, 5, network_share=0.0, patient_share=0.9, effects="lognormal")
    held = coverage(crossed(tables))
    assert 0.88 < held < 0.93
    assert held == pytest.approx(coverage(over_patients_alone(tables)), abs=0.01)


@pytest.mark.parametrize(
    ("patients", "networks", "least", "most"),
    [(14, 3, 0.94, 0.98), (14, 2, 0.89, 0.98), (6, 3, 0.94, 0.985), (3, 3, 0.955, 0.995)],
)
def test_smaller_designs_hold_what_their_docstring_says(
    patients: int, networks: int, least: float, most: float
) -> None:
    for share in NETWORK_SHARES:
        tables = random_tables(DRAWS, patients, networks, network_share=share)
        assert least <= coverage(crossed(tables)) <= most


def test_an_interval_over_patients_alone_misses_what_networks_add() -> None:
    """What crossing is for; and more patients make it worse."""
    held = {
        patients: coverage(over_patients_alone(random_tables(DRAWS, patients, 3, network_share=0.4)))
        for patients in (3, 6, 14)
    }
    assert held[14] < 0.65
    assert 0.85 > held[6] > held[14]
    assert 0.93 > held[3] > held[6]


@pytest.mark.parametrize("share", NETWORK_SHARES)
def test_the_test_keeps_its_error_where_that_over_patients_does_not(share: float) -> None:
    tables = random_tables(DRAWS, 14, 5, network_share=share)
    assert np.mean(crossed(tables).p < 0.05) <= 0.06
    if share > 0:
        assert np.mean(over_patients_alone(tables).p < 0.05) > 0.15
