"""A T2 network without the pretrained network, a control."""

from typing import ClassVar

from t1t2core.strategies.base import OF_FRESH_CLASSIFIERS, Strategy
from t1t2core.strategies.factors import StrategyName


class Scratch(Strategy):
    """Starts from Glorot's weights and trains them on T2.

    It gets the budget of the pretrained network, which was trained from scratch too (Sec. 3.3.4, 4.6).
    """

    name: ClassVar[StrategyName] = "scratch"
    starts_pretrained = False
    training_group = "pretraining"
    training_settings: ClassVar[tuple[str, ...]] = (*Strategy.training_settings, *OF_FRESH_CLASSIFIERS)
