"""An arm of a search space: a strategy, and the values of its factors and settings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ablation.space.ranges import Range
from ablation.space.variation import Values
from t1t2core.settings import Fusion
from t1t2core.strategies import StrategyName, TunedLayers


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One strategy and the values of its factors; None for those that it never has.

    Args:
        settings: values of those that vary, or that the arm has to itself, by dotted name.
    """

    strategy: StrategyName
    tuned_layers: tuple[TunedLayers, ...] | None
    fusion: tuple[Fusion, ...] | None
    t2_train_size: tuple[int, ...] | Range
    learning_rate: tuple[float, ...] | Range
    folds: tuple[int, ...]
    seeds: tuple[int, ...]
    pretraining_seeds: tuple[int | str, ...]
    settings: Mapping[str, Values] = field(default_factory=dict)


def values_of(values: tuple[Any, ...] | Range) -> tuple[Any, ...]:
    """Return the values of a list, or the ends of a range."""
    return values.ends if isinstance(values, Range) else values
