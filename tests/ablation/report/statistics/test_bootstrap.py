"""Intervals over few patients: what they hold, and when there is none."""

import math

import numpy as np
import pytest
from scipy import stats

from ablation.report.statistics.bootstrap import bootstrap_intervals


def patients(*rows: list[float]) -> np.ndarray:
    return np.array(rows, dtype=float)


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
