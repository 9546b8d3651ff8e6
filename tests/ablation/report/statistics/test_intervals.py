"""Means over patients, with an interval where there are enough of them."""

import math

import numpy as np
import pytest

from ablation.report.statistics.bootstrap import bootstrap_intervals
from ablation.report.statistics.intervals import INTERVALS, intervals
from tests.builders.tables import of_class, sweep, trial

SIX = [0.41, 0.44, 0.47, 0.52, 0.55, 0.60]


def test_three_test_patients_have_a_mean_and_the_reason_why_no_interval() -> None:
    table = intervals(*sweep(*(trial(fold=fold, test=[0.4, 0.5, 0.6]) for fold in (1, 2, 3))))
    assert list(table.columns) == INTERVALS
    assert len(table) == 3
    row = table[table["class"] == "bone"].iloc[0]
    assert (row["arm"], row["patients"], row["undefined"]) == ("open", 3, 0)
    assert (row["mean"], row["sd"]) == pytest.approx((0.5, 0.1))
    assert math.isnan(row["low"])
    assert math.isnan(row["high"])
    assert row["interval"] == "none: 3 patients, an interval needs 6"


def test_six_patients_have_the_interval_of_their_values_however_many_folds() -> None:
    folds = [
        trial(fold=fold, test=[value + change for value in SIX]) for fold, change in ((1, 0.1), (2, -0.1))
    ]
    row = intervals(*sweep(*folds)).iloc[0]
    expected = bootstrap_intervals(np.array([SIX]))
    assert (row["low"], row["high"]) == pytest.approx((expected.low[0], expected.high[0]), abs=1e-3)
    assert row["interval"] == "BCa bootstrap"


def test_a_patient_without_the_class_is_counted_and_left_out() -> None:
    results, patients = sweep(trial(test=SIX))
    table = intervals(results, of_class(patients, "air", [math.nan, *SIX[1:]])).set_index("class")
    assert tuple(table.loc["air", ["patients", "undefined"]]) == (5, 1)
    assert table.loc["air", "mean"] == pytest.approx(np.mean(SIX[1:]))
    assert table.loc["air", "interval"] == "none: 5 patients, an interval needs 6"
    assert table.loc["bone", "interval"] == "BCa bootstrap"


def test_a_class_that_no_patient_has_is_undefined() -> None:
    results, patients = sweep(trial(test=SIX))
    row = intervals(results, of_class(patients, "bone", math.nan)).set_index("class").loc["bone"]
    assert math.isnan(row["mean"])
    assert row["patients"] == 0


def test_arms_with_different_numbers_of_patients_stand_beside_each_other() -> None:
    table = intervals(*sweep(trial(test=SIX), trial("scratch", test=SIX[:2])))
    counts = table.drop_duplicates("arm").set_index("arm")["patients"].to_dict()
    assert counts == {"open": 6, "scratch": 2}


def test_nothing_recorded_is_an_empty_table() -> None:
    table = intervals(*sweep())
    assert list(table.columns) == INTERVALS
    assert table.empty
