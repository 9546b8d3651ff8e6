"""What a choice may go by: which way is better, what the record calls it, and how a reader is told."""

import pytest

from ablation.space.objectives import goes_up, in_words, metric_of, objective_of, objectives_of, parts_of
from t1t2core.settings.classes import STUDY_CLASSES, Classes, ClassRule


def test_scores_go_up_and_costs_down() -> None:
    assert goes_up("validation/air/jsc")
    assert not goes_up("time/total_seconds")
    assert metric_of("validation/air/jsc") == "best_validation/air/jsc"
    assert metric_of("memory/peak_mb") == "memory/peak_mb"


def test_a_mean_is_made_of_what_trials_report() -> None:
    assert parts_of(objective_of("mean")) == (
        "validation/bone/dsc",
        "validation/soft_tissue/dsc",
        "validation/air/dsc",
    )
    assert parts_of(objective_of("internal_air")) == ("validation/internal_air/dsc",)
    assert parts_of("time/epochs") == ("time/epochs",)


@pytest.mark.parametrize(
    ("objective", "words"),
    [
        ("validation/mean/dsc", "on validation by mean Dice"),
        ("validation/soft_tissue/jsc", "on validation by Jaccard index of soft tissue"),
        ("memory/peak_mb", "by the least peak memory"),
    ],
)
def test_captions_tell_by_what_it_was_chosen(objective: str, words: str) -> None:
    assert in_words(objective) == words


def test_each_objective_can_be_told() -> None:
    every = objectives_of(STUDY_CLASSES)
    assert len({in_words(objective) for objective in every}) == len(every)


def test_the_mean_of_other_classes_names_those_that_count() -> None:
    rules = {name: ClassRule(value=value) for value, name in enumerate(("outside", "csf", "grey"))}
    objective = objective_of("mean", Classes.of(rules, background="outside"))
    assert parts_of(objective) == ("validation/csf/dsc", "validation/grey/dsc")
    assert in_words(objective) == "on validation by mean Dice"
