"""The pretrained network as it is, scored on T2."""

from typing import Any, ClassVar

from t1t2core.settings import Settings
from t1t2core.strategies.base import Strategy
from t1t2core.strategies.factors import Factors, StrategyName


class NoFineTuning(Strategy):
    """Starts from the pretrained network and trains nothing.

    It is scored on T1 as well: what it could do before the transfer (Table 9, "T1-w without augmentation").
    """

    name: ClassVar[StrategyName] = "no_fine_tuning"
    factors = frozenset({"fold"})
    trains = False
    scored_on_t1 = True
    training_settings: ClassVar[tuple[str, ...]] = ("patch", "stride")

    def counted_training(self, factors: Factors, settings: Settings) -> dict[str, Any]:
        """Return only those that say how a volume is cut."""
        training = super().counted_training(factors, settings)
        return {name: training[name] for name in self.training_settings}
