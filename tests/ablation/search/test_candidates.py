"""What a search may try: arms with a value for each of their own factors."""

from random import Random
from typing import Any

import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from pydantic import ValidationError

from ablation.search.candidates import Candidate, CandidateSpace, check_candidates
from ablation.space.ranges import Range
from ablation.space.search_settings import Pruning, Search, Start
from t1t2core.errors import InputError
from tests.builders.candidates import LISTS, SETTINGS, arm, space

RATES = Range("log_uniform", 1e-4, 1e-2)


def test_every_candidate_of_lists_is_known_once() -> None:
    assert [(c.strategy, c.tuned_layers, c.fusion, c.learning_rate) for c in LISTS.everything or ()] == [
        ("no_fine_tuning", None, None, None),
        ("conservative", "fc", None, 1e-3),
        ("conservative", "fc", None, 1e-2),
        ("conservative", 9, None, 1e-3),
        ("conservative", 9, None, 1e-2),
        ("hybrid", None, "average", 5e-3),
        ("hybrid", None, "maximum", 5e-3),
    ]


def test_candidates_that_compute_the_same_are_one() -> None:
    both = space(arm("open"), arm("conservative", tuned_layers=(18, 21)))
    assert [(c.strategy, c.tuned_layers) for c in both.everything or ()] == [
        ("open", None),
        ("conservative", 18),
    ]


def test_a_range_of_rates_has_no_end_and_one_of_patients_has() -> None:
    assert space(arm("open", learning_rate=RATES)).everything is None
    sizes = space(arm("open", t2_train_size=Range("int_uniform", 2, 4))).everything or ()
    assert [candidate.t2_train_size for candidate in sizes] == [2, 3, 4]


def test_its_trials_are_its_folds_and_seeds_fold_by_fold() -> None:
    repeated = space(arm("open", folds=(1, 2), seeds=(5, 6)), arm("no_fine_tuning", seeds=(5, 6)))
    points = repeated.points(Candidate(arm=0, strategy="open", t2_train_size=8, learning_rate=1e-3))
    assert [(point.fold, point.seed) for point in points] == [(1, 5), (1, 6), (2, 5), (2, 6)]
    untrained = repeated.points(Candidate(arm=1, strategy="no_fine_tuning"))
    assert [point.fold for point in untrained] == [1, 2, 3], "seeds mean nothing to it"
    assert repeated.most_trials == 6


def test_a_factor_is_asked_for_only_under_the_arm_that_has_it() -> None:
    asked = []

    def ask(name: str, distribution: Any) -> Any:
        asked.append(name)
        return {"arm": 1, "1.tuned_layers": 1, "1.learning_rate": 0}[name]

    candidate = LISTS.suggest(ask)
    assert asked == ["arm", "1.tuned_layers", "1.learning_rate"]
    assert candidate == Candidate(
        arm=1, strategy="conservative", tuned_layers=9, t2_train_size=8, learning_rate=1e-3
    )
    params = LISTS.params(candidate)
    assert {name: value for name, (value, _) in params.items()} == {
        "arm": 1,
        "1.tuned_layers": 1,
        "1.learning_rate": 0,
    }


def test_sampled_rates_have_few_digits_and_stay_in_their_range() -> None:
    rates = space(arm("open", learning_rate=Range("log_uniform", 0.0012345, 0.1)))
    assert rates.suggest(lambda name, _: 0.0034567).learning_rate == 0.00346
    assert rates.suggest(lambda name, _: 0.0012345).learning_rate == 0.0012345


def test_the_record_gives_back_what_it_was_given() -> None:
    for candidate in LISTS.everything or ():
        assert Candidate.from_json(candidate.to_json()) == candidate


VARIED = {
    "training.batch_size": (4, 1, 2),
    "training.gradient_clip": (None, 0.5),
    "training.loss": ("cross_entropy", "dice"),
    "training.augmentation": ((), ("flips", "noise")),
    "training.patch": ((32, 40, 24), (32, 32, 24)),
    "training.weight_decay": Range("log_uniform", 1e-5, 1e-3),
    "training.plateau_patience": Range("int_uniform", 2, 5),
}


@pytest.mark.parametrize("seed", range(10))
def test_a_candidate_of_varied_settings_comes_back_from_its_parameters_and_from_the_record(seed: int) -> None:
    among = CandidateSpace(
        [arm("open", settings=VARIED), arm("no_fine_tuning", settings=VARIED)], list(VARIED), SETTINGS
    )
    random, asked = Random(seed), {}

    def ask(name: str, distribution: BaseDistribution) -> Any:
        asked[name] = draw(random, distribution)
        return asked[name]

    candidate = among.suggest(ask)
    counting = VARIED if candidate.strategy == "open" else ["training.patch"]
    assert [name for name, _ in candidate.settings] == list(counting)
    params = among.params(candidate)
    assert params.keys() == asked.keys()
    assert among.suggest(lambda name, _: params[name][0]) == candidate
    for value, distribution in params.values():
        assert distribution._contains(distribution.to_internal_repr(value))
    assert Candidate.from_json(candidate.to_json()) == candidate


def draw(random: Random, distribution: BaseDistribution) -> Any:
    """As a sampler would."""
    if isinstance(distribution, CategoricalDistribution):
        return random.choice(distribution.choices)
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    between = random.randint if isinstance(distribution, IntDistribution) else random.uniform
    return between(distribution.low, distribution.high)  # type: ignore[arg-type]


def test_a_start_names_what_has_several_values() -> None:
    start = Start(strategy="conservative", tuned_layers=9, learning_rate=1e-2)
    assert LISTS.start(start) == Candidate(
        arm=1, strategy="conservative", tuned_layers=9, t2_train_size=8, learning_rate=1e-2
    )


@pytest.mark.parametrize(
    ("start", "why"),
    [
        (Start(strategy="open"), "no arm of strategy open"),
        (
            Start(strategy="conservative", tuned_layers=9),
            "learning_rate: missing, the arm has several values",
        ),
        (
            Start(strategy="conservative", tuned_layers=3, learning_rate=1e-2),
            "tuned_layers: found 3, which the",
        ),
        (
            Start(strategy="no_fine_tuning", learning_rate=1e-2),
            "learning_rate: its strategy has no use for it",
        ),
    ],
)
def test_a_start_that_is_no_candidate_is_told(start: Start, why: str) -> None:
    with pytest.raises(InputError, match=f"search.start\\[0\\]: {why}"):
        check_candidates(LISTS, Search(method="optuna", start=(start,)), 9)


def test_a_budget_too_small_for_one_candidate_and_pruning_without_a_third_fold_are_told() -> None:
    with pytest.raises(InputError, match="trials: found 2; a candidate takes up to 3"):
        check_candidates(LISTS, Search(method="optuna"), 2)
    two = space(arm("open", folds=(1, 2)))
    with pytest.raises(InputError, match=r"search\.pruning\.margin: gives arms up after 2 folds"):
        check_candidates(two, Search(method="optuna", pruning=Pruning(margin=0.02)), None)


def test_a_start_names_varied_settings_as_an_arm_does() -> None:
    given = {"strategy": "open", "training": {"loss": "dice"}, "training.weight_decay": 1e-4}
    start = Start.model_validate(given)
    assert start.settings == {"training.loss": "dice", "training.weight_decay": 1e-4}
    own = arm(
        "open", settings={"training.weight_decay": (0.0, 1e-4), "training.loss": ("cross_entropy", "dice")}
    )
    among = CandidateSpace([own], ["training.weight_decay", "training.loss"], SETTINGS)
    candidate = among.start(start)
    assert candidate in (among.everything or ()), "as if it had been sampled"
    assert dict(candidate.settings) == start.settings
    with pytest.raises(InputError, match=r"training\.loss: missing, the arm has several values of it"):
        among.start(Start.model_validate({"strategy": "open", "training.weight_decay": 1e-4}))


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"training.loss": ["dice", "cross_entropy"]}, r"training\.loss: a candidate has one value of it"),
        ({"training.los": "dice"}, r"training\.los"),
        ({"cohort.overlap": "strict"}, r"cohort settings are the same in all trials"),
    ],
)
def test_a_start_with_a_setting_that_cannot_be_is_refused(given: dict[str, object], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        Start.model_validate({"strategy": "open", **given})


def test_a_start_without_settings_is_named_as_it_was_before_there_were_any() -> None:
    told = Start(strategy="open", learning_rate=1e-3).model_dump(mode="json")
    assert "settings" not in told
