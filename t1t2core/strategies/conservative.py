"""The last layers of the T1 network trained on T2, the others frozen (Sec. 3.3.2)."""

from t1t2core.settings import Settings
from t1t2core.strategies.base import TRAINED, Strategy
from t1t2core.strategies.factors import Factors, StrategyName, TunedLayers
from t1t2core.strategies.open import Open

ALL_LAYERS = 21
"""Convolutions of the network (Sec. 3.3): tuning that many is the strategy `open`."""


class Conservative(Strategy):
    """Starts from the T1 network and trains its last `tuned_layers` convolutions and the classifier."""

    name = "conservative"
    factors = TRAINED | {"tuned_layers"}
    freezes = True
    network_settings = ("frozen_",)

    def misfit(self, settings: Settings) -> str | None:
        """Return a message where statistics are to adapt that the network does not have."""
        network = settings.network
        if network.frozen_norm == "stored" or network.normalisation == "batch":
            return None
        return (
            "network.frozen_norm: adapted is about the statistics that batch norm keeps; "
            f"network.normalisation: {network.normalisation} keeps none"
        )

    def resolve(self, tuned_layers: TunedLayers | None) -> StrategyName:
        """Return `open` where all layers are tuned."""
        return Open.name if tuned_layers == ALL_LAYERS else self.name

    def step_size(self, factors: Factors) -> tuple[int, int]:
        """Return less than for a whole network, and more with each tuned layer."""
        return 0, _convolutions(factors)

    def frozen_stages(self, factors: Factors, stages: int) -> int:
        """Return the number of stages before the tuned convolutions."""
        from t1t2core.network.segmenter import stages_before

        return stages_before(_convolutions(factors))


def _convolutions(factors: Factors) -> int:
    return 0 if factors.tuned_layers in ("fc", None) else int(factors.tuned_layers)
