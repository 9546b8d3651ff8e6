"""Where a setting acts: pairs of trials that differ in it alone."""

from collections.abc import Iterator, Mapping
from typing import Any

from t1t2core.strategies import StrategyName
from tests.builders.settings import other
from tests.builders.tiny_trials import Asked

SEEDS = range(5)
"""What is best, or better than before, is a matter of chance: it shows in one of these trials."""
FACTORS: Mapping[StrategyName, Mapping[str, Any]] = {
    "conservative": {"tuned_layers": 9},
    "hybrid": {"fusion": "concatenation"},
    "first_layers": {"tuned_layers": 6},
}
SHORT = (16, 16, 8)
"""A patch of two thirds of a head."""
LAST = {"validate_every": 100}
"""The best weights are the last, for want of others; a pretrained network is known by its best alone."""
STILL = {**LAST, "min_delta": 1.0}
"""No epoch is better than the one before: an accuracy does not rise by more than 1."""
NEEDS: Mapping[str, Mapping[str, Any]] = {
    "stride": {"patch": SHORT},  # a whole head is one patch, whatever the stride
    "batch_size_of_concatenation": {"batch_size": 2},
    "hybrid_steps_factor": {"max_steps": 2},
    "max_epochs": LAST,
    "match": {**STILL, "stop_patience": 1, "max_steps": 5},  # one step more than what patience lets through
    "monitor": {"max_epochs": 8},
    "gradient_clip": {"gradient_clip": 1e-3},
    "min_delta": {**LAST, "min_delta": 0.0, "max_epochs": 5},
    "plateau_patience": STILL,
    "plateau_factor": STILL,
    "stop_patience": STILL,
    "validate_every": {"max_epochs": 4},
}
"""Settings of the same group that a setting needs to act, beyond what all these trials have."""
OF_BUDGETS: Mapping[tuple[str, str], Mapping[str, Any]] = {
    (strategy, "training.max_steps"): {"training.match": "steps", "training.max_steps": 2}
    for strategy in ("scratch", "augmented")
}
"""Settings that act where arms are to have one budget."""
VALUES: Mapping[str, Any] = {
    "patch": SHORT,
    "stride": (4, 8, 8),
    "validate_every": 100,  # only the last weights can be the best
    "precision": "bfloat16",  # `auto` is float32 here
}
"""Other values of those settings that cannot have just any."""


def acting(strategy: StrategyName, name: str) -> Iterator[tuple[Asked, Asked]]:
    """Pairs of trials with one value and another of a setting, in which it acts if it counts.

    Args:
        name: dotted.
    """
    group, _, setting = name.partition(".")
    varied = {f"{group}.{needed}": value for needed, value in NEEDS.get(setting, {}).items()}
    varied |= OF_BUDGETS.get((strategy, name), {})
    for seed in SEEDS:
        one = Asked.of(strategy, varied, seed=seed, **FACTORS.get(strategy, {}))
        yield one, with_another(one, name)


def with_another(asked: Asked, name: str) -> Asked:
    """The trial with another value of a setting, by its dotted name."""
    setting = name.partition(".")[2]
    return asked.but(name, VALUES.get(setting, other(asked.settings, name)))
