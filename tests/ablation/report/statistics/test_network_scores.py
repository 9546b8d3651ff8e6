"""The patient is the unit: folds and seeds are averaged within one before anything else."""

import math
from typing import Any

import pandas as pd
import pytest

from ablation.report.statistics.network_scores import network_scores
from tests.builders.tables import of_class, sweep, trial


def table_of(results: pd.DataFrame, patients: pd.DataFrame, **more: Any) -> pd.DataFrame:
    return network_scores(results, patients, **more).table


def bone(scores: pd.DataFrame) -> dict[str, float]:
    return scores[scores["class"] == "bone"].set_index("patient")["value"].to_dict()


def test_folds_and_seeds_of_a_patient_are_one_value() -> None:
    scores = table_of(
        *sweep(
            trial(fold=1, seed=0, test=[0.1, 0.6]),
            trial(fold=1, seed=1, test=[0.3, 0.6]),
            trial(fold=2, seed=0, test=[0.8, 0.6]),
        )
    )
    assert bone(scores) == pytest.approx({"p0": 0.4, "p1": 0.6})


def test_rotated_folds_add_patients() -> None:
    scores = table_of(*sweep(trial(fold=1, test={"a": 0.1}), trial(fold=2, test={"b": 0.3})))
    assert bone(scores) == pytest.approx({"a": 0.1, "b": 0.3})


def test_only_the_chosen_learning_rate_counts() -> None:
    scores = table_of(
        *sweep(trial(rate=1e-2, validation=0.4, test=[0.9]), trial(rate=1e-3, validation=0.5, test=[0.2]))
    )
    assert bone(scores) == pytest.approx({"p0": 0.2})


def test_last_weights_and_validation_patients_play_no_part() -> None:
    results, patients = sweep(trial(test=[0.5]))
    others = [patients.assign(weights="last", dsc=0.0), patients.assign(split="validation", dsc=0.0)]
    assert bone(table_of(results, pd.concat([patients, *others]))) == {"p0": 0.5}


def test_a_score_undefined_in_one_fold_is_undefined_not_the_mean_of_the_rest() -> None:
    results, patients = sweep(trial(fold=1, test=[0.5, 0.5]), trial(fold=2, test=[0.7, 0.7]))
    changed = of_class(patients, "bone", [math.nan, 0.5, 0.7, 0.7])
    found = bone(table_of(results, changed))
    assert math.isnan(found["p0"])
    assert found["p1"] == pytest.approx(0.6)


def test_sequences_stay_apart_and_another_metric_can_be_asked_for() -> None:
    results, patients = sweep(trial(test=[0.5]), trial("augmented", test=[0.8], sequence="T1"))
    scores = table_of(results, patients.assign(recall=0.25), metric="recall")
    assert set(zip(scores["arm"], scores["sequence"], strict=True)) == {("open", "T2"), ("augmented", "T1")}
    assert set(scores["value"]) == {0.25}


def test_nothing_recorded_has_no_scores() -> None:
    assert table_of(*sweep()).empty
