"""What is said to count for a strategy changes its result, and its key."""

import pytest

from t1t2core.strategies import STRATEGIES, StrategyName
from tests.builders.acting import acting
from tests.builders.heads import different
from tests.builders.settings import names
from tests.builders.tiny_trials import Asked, are_one_trial, by_weights, trained

SETTINGS = [f"{group}.{name}" for group, name in names("network", "training", "pretraining")]
ALL_REFUSED = (("norm_adaptation", "network.normalisation"), ("norm_adaptation", "network.architecture"))
"""It needs the normalisation that is usual, which no other network has."""
QUICKEST: tuple[StrategyName, ...] = ("scratch", "open", "conservative", "hybrid")
"""First one without a pretrained network, then those whose pretrained network most tests share."""


def strategies_of(name: str) -> list[StrategyName]:
    """Those for which a setting counts, the quickest first."""
    ordered = dict.fromkeys((*QUICKEST, *STRATEGIES))
    return [s for s in ordered if STRATEGIES[s].counts(name) and (s, name) not in ALL_REFUSED]


def changes(one: Asked, other: Asked) -> bool:
    """Whether any weight or label differs."""
    before, after = trained(one), trained(other)
    return before.keys() != after.keys() or bool(different(before, after))


def assert_counts(strategy: StrategyName, name: str) -> None:
    """It changes the result of one of the trials where it can act, and the key with it."""
    acts = next((pair for pair in acting(strategy, name) if changes(*pair)), None)
    assert acts, f"{name} changed nothing in any trial of {strategy}"
    assert not are_one_trial(*acts, by_weights), acts


@pytest.mark.parametrize("name", [name for name in SETTINGS if strategies_of(name)])
def test_a_setting_that_counts_changes_weights_and_key(name: str) -> None:
    assert_counts(strategies_of(name)[0], name)


@pytest.mark.exhaustive
@pytest.mark.parametrize(("name", "strategy"), [(n, s) for n in SETTINGS for s in strategies_of(n)])
def test_it_does_so_for_every_strategy_for_which_it_counts(name: str, strategy: StrategyName) -> None:
    assert_counts(strategy, name)


def test_every_setting_but_those_of_factors_counts_for_a_strategy() -> None:
    no_ones = {name for name in SETTINGS if not strategies_of(name)}
    assert no_ones == {
        "training.learning_rate",  # the factor
        "pretraining.batch_size_of_concatenation",
        "pretraining.hybrid_steps_factor",
        "pretraining.match",
    }
