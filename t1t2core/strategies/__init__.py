"""Strategies (Sec. 3.3), one file each: what counts, how the network is built, trained and scored.

Imports `experiment` and below, since a strategy makes its own experiment.
"""

from t1t2core.strategies.augmented import Augmented
from t1t2core.strategies.base import Strategy
from t1t2core.strategies.conservative import Conservative
from t1t2core.strategies.contrast_randomised import ContrastRandomised
from t1t2core.strategies.factors import Factors, StrategyName, TunedLayers
from t1t2core.strategies.first_layers import FirstLayers
from t1t2core.strategies.gradual import Gradual
from t1t2core.strategies.hybrid import Hybrid
from t1t2core.strategies.low_rank import LowRank
from t1t2core.strategies.no_fine_tuning import NoFineTuning
from t1t2core.strategies.norm_adaptation import NormAdaptation
from t1t2core.strategies.open import Open
from t1t2core.strategies.scratch import Scratch

__all__ = ["STRATEGIES", "Factors", "Strategy", "StrategyName", "TunedLayers"]

STRATEGIES: dict[StrategyName, Strategy] = {
    strategy.name: strategy
    for strategy in (
        NoFineTuning(),
        Open(),
        Conservative(),
        Hybrid(),
        Augmented(),
        Scratch(),
        NormAdaptation(),
        LowRank(),
        Gradual(),
        FirstLayers(),
        ContrastRandomised(),
    )
}
"""All, by name."""
