"""A researcher asks for a search: what can be asked for, and what they are told when it cannot be."""

from dataclasses import replace
from pathlib import Path

import pytest

from ablation.space.points import expand
from ablation.space.ranges import Range
from ablation.space.search_settings import Budget, Pruning, Search, epoch_findings, objective_findings
from ablation.space.space import read_space
from t1t2core.errors import InputError
from t1t2core.presets import PRESETS
from t1t2core.settings import Settings
from t1t2core.settings.classes import STUDY_CLASSES
from tests.builders.spaces import read, refusal

ARMS = """
arms:
  - strategy: conservative
    tuned_layers: [fc, 9]
  - strategy: open
    t2_train_size: {int_uniform: [2, 8]}
t2_train_size: [8]
learning_rate: {log_uniform: [1.0e-5, 1.0e-2]}
"""


def test_ranges_and_lists_are_mixed(tmp_path: Path) -> None:
    text = ARMS + "search: {method: optuna, objective: [validation/bone/dsc, time/total_seconds]}\n"
    space = read(tmp_path, text + "budget: {minutes: 30}")
    conservative, tuned = space.arms
    assert conservative.tuned_layers == ("fc", 9)
    assert conservative.learning_rate == tuned.learning_rate == Range("log_uniform", 1e-5, 1e-2)
    assert (conservative.t2_train_size, tuned.t2_train_size) == ((8,), Range("int_uniform", 2, 8))
    assert space.search == Search(method="optuna", objective=("validation/bone/dsc", "time/total_seconds"))
    assert space.budget == Budget(minutes=30)


def test_of_a_range_the_ends_are_what_must_be_possible(tmp_path: Path) -> None:
    points = expand(read(tmp_path, ARMS + "search: {method: optuna, trials: 9}"), Settings())
    assert {point.t2_train_size for point in points if point.strategy == "open"} == {2, 8}
    assert {point.learning_rate for point in points} == {1e-5, 1e-2}


def test_one_objective_and_tpe_are_the_default(tmp_path: Path) -> None:
    search = read(tmp_path, ARMS + "search: {method: optuna, trials: 9}").search
    assert (search.objective, search.sampler, search.seed) == (("validation/mean/dsc",), "tpe", 0)
    assert (search.start, search.pruning) == ((), Pruning(epochs=False, margin=None))


def test_a_search_goes_by_what_chooses_unless_it_names_an_objective(tmp_path: Path) -> None:
    search = read(tmp_path, ARMS + "search: {method: optuna, trials: 9}").search
    assert search.going_by("air").objective == ("validation/air/dsc",)
    text = ARMS + "search: {method: optuna, trials: 9, objective: validation/mean/dsc}"
    assert read(tmp_path, text).search.going_by("air").objective == ("validation/mean/dsc",)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "learning_rate: {log_uniform: [0, 0.1]}\nsearch: {method: optuna, trials: 9}",
            "learning_rate: found {'log_uniform': [0, 0.1]}; a logarithmic scale does not reach zero",
        ),
        (
            "learning_rate: {uniform: [0.1, 0.01]}\nsearch: {method: optuna, trials: 9}",
            "learning_rate: found {'uniform': [0.1, 0.01]}; the range is empty",
        ),
        (
            "learning_rate: {uniform: [0.1, 2]}\nsearch: {method: optuna, trials: 9}",
            "learning_rate: found {'uniform': [0.1, 2]}; it has values that the factor cannot have",
        ),
        (
            "t2_train_size: {int_uniform: [2, 7.5]}\nsearch: {method: optuna, trials: 9}",
            "t2_train_size: found {'int_uniform': [2, 7.5]}; its ends are two numbers, the lower first",
        ),
        (
            "learning_rate: {log: [0.1, 1]}\nsearch: {method: optuna, trials: 9}",
            "allowed: a list of values, or {log_uniform: [LOW, HIGH]} or {uniform: [LOW, HIGH]}",
        ),
        (
            "learning_rate: {log_uniform: [0.01, 0.1]}",
            "learning_rate: a range, of which grid cannot try every value; allowed: a list, or",
        ),
        ("search: {method: grid, trials: 3}", "search.trials: grid has no use for it; it is for optuna"),
        ("search: {method: optuna}", "search.trials: missing"),
        (
            "search: {method: optuna, trials: 3}\nbudget: {trials: 3}",
            "budget.trials: search.trials says the same; leave out one of them",
        ),
        ("budget: {}", "budget: found nothing; allowed: one of trials, gpu_hours and minutes"),
        ("budget: {trials: 0}", "budget.trials: found 0; allowed: a whole number, 1 or more"),
        ("budget: {minutes: 3, trials: 4}", "budget: found trials and minutes; allowed: one of"),
        ("budget: {hours: 3}", "budget.hours: unknown key; allowed: trials, gpu_hours, minutes"),
        (
            "search: {method: optuna, trials: 9, objective: time/total_seconds, pruning: {epochs: true}}",
            "search.pruning.epochs: nothing to prune by: time/total_seconds is no score of an epoch",
        ),
        (
            "search: {method: optuna, trials: 9, objective: [time/epochs, memory/peak_mb], "
            "pruning: {margin: 1}}",
            "search.pruning.margin: nothing to prune by: there are several objectives",
        ),
        (
            "search: {method: optuna, trials: 9, start: [{strategy: opn}]}",
            "search.start[0].strategy: found 'opn'",
        ),
        (
            "search: {method: optuna, trials: 9, pruning: {epoch: true}}",
            "search.pruning.epoch: unknown key; allowed: epochs, margin; did you mean epochs?",
        ),
        ("search: {method: optuna, trials: 9, sampler: gp}", "search.sampler: found 'gp'; allowed: tpe or"),
        ("resources: {price_per_hour: free}", "resources.price_per_hour: found 'free'; allowed: a number"),
    ],
)
def test_what_cannot_be_is_told_with_its_place_and_what_would_be_right(
    tmp_path: Path, text: str, told: str
) -> None:
    assert told in refusal(tmp_path, f"arms: [{{strategy: open}}]\n{text}")


def test_pruning_within_a_trial_needs_a_score_after_each_epoch() -> None:
    search = Search(method="optuna", trials=9, pruning=Pruning(epochs=True))
    demo = PRESETS["demo"]
    (finding,) = epoch_findings(search, demo, ["no_fine_tuning", "open"])
    assert finding.startswith("search.pruning.epochs: open is validated every 3 epochs")
    assert finding.endswith("set training.validate_every: 1")
    each = replace(demo, training=replace(demo.training, validate_every=1))
    assert epoch_findings(search, each, ["open"]) == []
    assert "pretraining.validate_every: 1" in epoch_findings(search, each, ["scratch"])[0]


def test_the_space_that_is_shipped_searches() -> None:
    space = read_space(Path(__file__).parents[3] / "search_spaces" / "optuna.yaml")
    assert space.search.samples
    assert space.budget.minutes == 60


def test_all_findings_are_one_message(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read(
            tmp_path,
            "arms: [{strategy: open}]\nbudget: {}\nsearch: {method: optuna, trials: 2, objective: [a, a]}",
        )
    assert len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize("objective", ["validation/bones/dsc", "test/bone/dsc"])
def test_an_objective_that_no_trial_reports_is_told_with_those_that_there_are(objective: str) -> None:
    search = Search(method="optuna", trials=9, objective=objective)
    (finding,) = objective_findings(search, STUDY_CLASSES)
    assert finding.startswith(f"search.objective: found '{objective}', which no trial reports; allowed: ")
    assert "bones" not in objective or finding.endswith("did you mean 'validation/bone/dsc'?")
    assert objective_findings(Search(method="optuna", trials=9), STUDY_CLASSES) == []
