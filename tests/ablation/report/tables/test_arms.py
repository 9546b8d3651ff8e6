"""Arms have one name each, and validation says which is best."""

import math

import pytest

from ablation.report.tables.arms import best_arms, validation_scores
from tests.builders.tables import of_class, sweep, trial


def test_the_name_has_the_training_size_only_where_sizes_differ() -> None:
    untuned = trial("no_fine_tuning", size=None, rate=None, seed=None, test=[0.5])
    nine = trial("conservative", "9", test=[0.5])
    results, _ = sweep(untuned, nine)
    assert results["arm"].unique().tolist() == ["no_fine_tuning", "conservative 9"]
    results, _ = sweep(untuned, nine, trial("conservative", "9", size=2, test=[0.5]))
    assert results["arm"].unique().tolist() == [
        "no_fine_tuning",
        "conservative 9",
        "conservative 9 (2 patients)",
    ]


def test_validation_chooses_whatever_the_test_says() -> None:
    results, _ = sweep(
        trial("open", validation=0.6, test=[0.1]),
        trial("hybrid", fusion="average", validation=0.5, test=[0.9]),
    )
    assert best_arms(results) == dict.fromkeys(("bone", "soft_tissue", "air"), "open")


def test_each_class_has_its_own_best_over_all_folds() -> None:
    results, _ = sweep(
        trial("open", fold=1, validation=0.9, test=[0.5]),
        trial("open", fold=2, validation=0.1, test=[0.5]),
        trial("scratch", fold=1, validation=0.6, test=[0.5]),
        trial("scratch", fold=2, validation=0.6, test=[0.5]),
    )
    scores = validation_scores(results)
    assert scores[scores["class"] == "bone"]["validation"].tolist() == pytest.approx([0.6, 0.5])
    air = (results["class"] == "air") & (results["strategy"] == "open")
    results.loc[air, "dsc"] = 0.95
    assert best_arms(results) == {"bone": "scratch", "soft_tissue": "scratch", "air": "open"}


def test_an_undefined_validation_score_counts_as_a_miss() -> None:
    results, _ = sweep(
        trial("open", validation=0.6, test=[0.5]), trial("scratch", validation=0.5, test=[0.5])
    )
    undefined = results["dsc"].where(results["strategy"] == "scratch", math.nan)
    assert best_arms(of_class(results, "bone", undefined[results["class"] == "bone"].tolist())) == {
        "bone": "scratch",
        "soft_tissue": "open",
        "air": "open",
    }


def test_nothing_recorded_has_no_best() -> None:
    results, _ = sweep()
    assert best_arms(results) == {}
