"""Trials of one key are one trial: whoever trains it gets the same weights, to the bit."""

from random import Random

import pytest

from t1t2core.strategies import STRATEGIES, StrategyName
from tests.builders.acting import FACTORS, VALUES, acting, with_another
from tests.builders.heads import different
from tests.builders.settings import names, others
from tests.builders.tiny_trials import (
    Asked,
    are_one_trial,
    by_recipe,
    recipe_of,
    t1_weights,
    train_t1,
    trained,
)

PAIRS = [*range(5), *(pytest.param(number, marks=pytest.mark.exhaustive) for number in range(5, 30))]
"""Numbers of random pairs of each strategy."""
SETTINGS = [f"{group}.{name}" for group, name in names("network", "training", "pretraining")]


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("number", PAIRS)
def test_two_random_trials_of_one_key_have_the_same_weights(number: int, strategy: StrategyName) -> None:
    one, other = draw_pair(Random(number), strategy)
    assert different(trained(one), trained(other)) == set(), (one, other)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_all_settings_that_do_not_count_change_no_weight_together(strategy: StrategyName) -> None:
    one = other = Asked.of(strategy, {}, **FACTORS.get(strategy, {}))
    for name in SETTINGS:
        if not STRATEGIES[strategy].counts(name):
            changed = with_another(other, name)
            other = other if changed.is_refused else changed  # some do not go together
    assert are_one_trial(one, other, by_recipe)
    assert different(trained(one), trained(other)) == set()


@pytest.mark.exhaustive
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_that_is_not_in_the_key_changes_no_weight(name: str, strategy: StrategyName) -> None:
    """Not even where it acts for other strategies."""
    one, other = next(acting(strategy, name))
    if are_one_trial(one, other, by_recipe):
        assert different(trained(one), trained(other)) == set()


def in_no_recipe() -> list[str]:
    """Settings of pretrained networks that their recipes leave out."""
    found = []
    for name in SETTINGS:
        one, other = next(acting("hybrid", name))
        if not name.startswith("training.") and recipe_of(one.settings) == recipe_of(other.settings):
            found.append(name)
    return found


@pytest.mark.parametrize("name", in_no_recipe())
def test_a_setting_that_is_not_in_its_recipe_changes_no_t1_network(name: str) -> None:
    one, other = next(acting("hybrid", name))
    recipe = recipe_of(one.settings)
    assert different(t1_weights(recipe), train_t1(recipe, other.settings)) == set()


def draw_pair(random: Random, strategy: StrategyName) -> tuple[Asked, Asked]:
    """Two trials of one key that differ in a setting."""
    while True:
        one = draw(random, strategy)
        other = change(one, random)
        if are_one_trial(one, other, by_recipe):
            return one, other


def draw(random: Random, strategy: StrategyName) -> Asked:
    """Any factors, and up to two settings that are not as usual."""
    asked = Asked.of(
        strategy,
        {},
        seed=random.randrange(2),
        t2_train_size=random.choice((1, 2)),
        tuned_layers=random.choice((3, 9, 18, 21) if strategy == "first_layers" else ("fc", 3, 9, 18, 21)),
        fusion=random.choice(("concatenation", "multiplication", "average", "maximum")),
    )
    for _ in range(random.randrange(3)):
        asked = change(asked, random)
    return asked


def change(asked: Asked, random: Random) -> Asked:
    """Another value of any setting with which a trial can be done."""
    while True:
        name = random.choice(SETTINGS)
        value = VALUES.get(name.partition(".")[2]) or random.choice(others(asked.settings, name))
        changed = asked.but(name, value)
        if not changed.is_refused and changed.settings != asked.settings:
            return changed
