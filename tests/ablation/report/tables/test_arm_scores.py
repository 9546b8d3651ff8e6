"""Scores of each arm: a fold at a time, and their mean."""

import math

import pytest

from ablation.report.tables.arm_scores import best_of_strategies, comparable, fold_scores, mean_scores
from tests.builders.results import results_of, trial, untuned


def bone(frame: object) -> list[float]:
    return list(frame.query("`class` == 'bone'")["dsc"])  # type: ignore[attr-defined]


def test_seeds_are_averaged_within_a_fold_and_then_the_folds() -> None:
    results = results_of(
        trial("open", fold=1, seed=0, test=0.2),
        trial("open", fold=1, seed=1, test=0.4),
        trial("open", fold=2, seed=0, test=0.9),
    )
    assert bone(fold_scores(results)) == pytest.approx([0.3, 0.9])
    means = mean_scores(results)
    assert bone(means) == pytest.approx([0.6])
    assert set(means["folds"]) == {2}


def test_strategies_that_the_study_lacks_have_an_order_too() -> None:
    later = (("first_layers", "9"), ("gradual", ""), ("first_layers", "3"), ("low_rank", ""), ("open", ""))
    results = results_of(*(trial(name, layers, test=0.5) for name, layers in later))
    arms = mean_scores(results).query("`class` == 'bone'")
    assert [" ".join(row).strip() for row in arms[["strategy", "tuned_layers"]].to_numpy()] == [
        "open",
        "low_rank",
        "gradual",
        "first_layers 3",
        "first_layers 9",
    ]


def test_only_the_test_scores_of_the_best_weights_count() -> None:
    results = results_of(trial("open", test=0.5, validation=0.7))
    assert bone(fold_scores(results)) == [0.5]


def test_the_learning_rate_is_that_of_validation() -> None:
    results = results_of(
        trial("open", rate=1e-2, validation=0.5, test=0.9), trial("open", rate=1e-3, validation=0.6, test=0.1)
    )
    assert bone(fold_scores(results)) == [0.1]


def test_what_is_undefined_in_one_fold_or_seed_is_undefined_in_the_mean() -> None:
    absent = {"bone": math.nan, "air": 0.5}
    folds = results_of(trial("open", fold=1, test=absent), trial("open", fold=2, test=0.8))
    assert math.isnan(bone(mean_scores(folds))[0])
    assert list(mean_scores(folds).query("`class` == 'air'")["dsc"]) == pytest.approx([0.65])
    seeds = results_of(trial("open", seed=1, test=absent), trial("open", seed=2, test=0.8))
    assert math.isnan(bone(fold_scores(seeds))[0])


def test_each_strategy_stands_at_its_largest_training_size() -> None:
    results = results_of(
        trial("conservative", "9", size=2, test=0.9),
        trial("conservative", "9", size=8, test=0.5),
        trial("conservative", "fc", size=2, test=0.8),
        trial("open", size=6, test=0.6),
        untuned(0.3),
    )
    kept = comparable(results)[["strategy", "tuned_layers", "t2_train_size"]].drop_duplicates()
    assert kept.fillna(0).to_numpy().tolist() == [
        ["no_fine_tuning", "", 0],
        ["open", "", 6],
        ["conservative", "9", 8],
    ]


def test_arms_and_folds_stand_in_the_order_of_the_study() -> None:
    results = results_of(
        trial("scratch", test=0.5),
        trial("hybrid", fusion="maximum", test=0.5),
        trial("hybrid", fusion="concatenation", test=0.5),
        trial("conservative", "12", test=0.5),
        trial("conservative", "3", fold=2, test=0.5),
        trial("conservative", "3", fold=1, test=0.5),
        trial("conservative", "fc", test=0.5),
        trial("open", test=0.5),
        untuned(0.5),
    )
    scores = fold_scores(results).query("`class` == 'bone'")
    assert list(scores["arm"]) == [
        "no_fine_tuning",
        "open",
        "conservative fc",
        "conservative 3",
        "conservative 3",
        "conservative 12",
        "hybrid concatenation",
        "hybrid maximum",
        "scratch",
    ]
    assert list(scores["fold"])[3:5] == [1, 2]


def test_the_best_arm_of_a_strategy_is_told_by_validation_for_each_class() -> None:
    results = results_of(
        untuned(0.1),
        trial(
            "hybrid", fusion="average", validation={"bone": 0.6, "air": 0.2}, test={"bone": 0.1, "air": 0.9}
        ),
        trial(
            "hybrid", fusion="maximum", validation={"bone": 0.5, "air": 0.3}, test={"bone": 0.9, "air": 0.1}
        ),
    )
    assert best_of_strategies(results, "bone") == ["no_fine_tuning", "hybrid average"]
    assert best_of_strategies(results, "air") == ["no_fine_tuning", "hybrid maximum"]


def test_voxels_are_those_that_truly_are_of_the_class() -> None:
    results = results_of(trial("open", test=0.5, tp=30, fp=1000, fn=70))
    assert set(fold_scores(results)["voxels"]) == {100}
