"""What a trial scored, pooled and a patient."""

from math import nan

import pytest

from ablation.plan.trial_result import TrialResult, mean_over_patients, value_after_epoch

DICE = "validation/bone/dsc"


def patient(hits: int, **what: str) -> dict[str, object]:
    counts = {"bone": {"tp": hits, "fp": 10 - hits, "fn": 10 - hits}}
    return {"split": "validation", "weights": "best", "sequence": "T2", "counts": counts, **what}


def test_a_score_is_that_of_the_best_weights_and_a_missing_one_counts_as_0() -> None:
    result = TrialResult({"best_validation/bone/dsc": 0.5, "time/total_seconds": 9.0}, ())
    assert result.value(DICE) == 0.5
    assert result.value("validation/air/dsc") == 0
    assert result.value("time/total_seconds") == 9


def test_a_mean_is_over_the_classes_and_one_that_is_missing_counts_as_0() -> None:
    result = TrialResult({"best_validation/bone/dsc": 0.3, "best_validation/air/dsc": 0.9}, ())
    assert result.value("validation/mean/dsc") == pytest.approx(0.4)
    counts = {name: {"tp": hits, "fp": 0, "fn": 0} for name, hits in (("bone", 0), ("soft_tissue", 5))}
    scores = [{**patient(5), "counts": {**counts, "air": {"tp": 5, "fp": 5, "fn": 5}}}]
    assert TrialResult({}, scores).of_patients("validation/mean/dsc") == [pytest.approx(0.5)]


def test_after_an_epoch_the_mean_is_what_pruning_goes_by() -> None:
    scores = {"bone": 0.3, "soft_tissue": 0.9, "air": nan}
    epoch = {f"validation/{name}/dsc": score for name, score in scores.items()}
    assert value_after_epoch(epoch, "validation/mean/dsc") == pytest.approx(0.4)
    assert value_after_epoch(epoch, DICE) == 0.3
    assert value_after_epoch({}, DICE) == 0


def test_patients_are_those_of_validation_on_t2_and_an_undefined_score_counts_as_0() -> None:
    absent = {"bone": {"tp": 0, "fp": 0, "fn": 0}}
    scores = [
        patient(5),
        patient(9, split="test"),
        patient(9, weights="last"),
        patient(9, sequence="T1"),
        {**patient(5), "counts": absent},
    ]
    assert TrialResult({}, scores).of_patients(DICE) == [0.5, 0.0]


def test_the_mean_is_over_patients_of_all_folds() -> None:
    first, second = TrialResult({}, [patient(5), patient(6)]), TrialResult({}, [patient(10)])
    assert mean_over_patients([first, second], DICE) == pytest.approx(0.7)
    assert mean_over_patients([], DICE) == 0
