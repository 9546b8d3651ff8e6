"""Points of a search space: one value for every factor."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any, cast

from ablation.space.factors import NAME_OF_KEY
from ablation.space.schema import FACTOR_KEYS
from ablation.space.space import Arm, Space, values_of
from t1t2core.settings import Fusion
from t1t2core.strategies import STRATEGIES, Factors, StrategyName, TunedLayers


@dataclass(frozen=True, kw_only=True)
class Point(Factors):
    """One combination of factors. Points that compute the same thing are equal if made by `canonical`.

    Args:
        fold: of the cohort's split, from 1.
    """

    fold: int

    @classmethod
    def canonical(
        cls,
        *,
        strategy: str,
        fold: int,
        tuned_layers: TunedLayers | None = None,
        fusion: Fusion | None = None,
        t2_train_size: int | None = None,
        learning_rate: float | None = None,
        seed: int | None = None,
    ) -> "Point":
        """Return the point with None for each factor that means nothing to its strategy."""
        name = STRATEGIES[cast(StrategyName, strategy)].resolve(tuned_layers)
        given: dict[str, Any] = {
            "tuned_layers": tuned_layers,
            "fusion": fusion,
            "t2_train_size": t2_train_size,
            "learning_rate": learning_rate,
            "seed": seed,
        }
        used = {factor: value for factor, value in given.items() if factor in STRATEGIES[name].factors}
        return cls(strategy=name, fold=fold, **used)


def expand(space: Space, *, learning_rate: Callable[[StrategyName], float]) -> tuple[Point, ...]:
    """Return every canonical point of the space once, in the order of the arms and of their values.

    A range gives its two ends.

    Args:
        learning_rate: that of a strategy's settings, for arms that name none.
    """
    return tuple(dict.fromkeys(point for arm in space.arms for point in _points(arm, learning_rate)))


def _points(arm: Arm, learning_rate: Callable[[StrategyName], float]) -> Iterator[Point]:
    values = {NAME_OF_KEY[key]: values_of(getattr(arm, key) or ()) or (None,) for key in FACTOR_KEYS}
    values["learning_rate"] = values_of(arm.learning_rate) or (learning_rate(arm.strategy),)
    for combination in product(*values.values()):
        factors: dict[str, Any] = dict(zip(values, combination, strict=True))
        yield Point.canonical(strategy=arm.strategy, **factors)
