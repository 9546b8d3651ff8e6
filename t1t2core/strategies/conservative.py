"""The last layers of the pretrained network trained on T2, the others frozen (Sec. 3.3.2)."""

from t1t2core.network.architectures import (
    STUDY,
    architecture_of,
    keeps_statistics,
    settings_of,
    stages_before,
    why_not_tunable,
)
from t1t2core.settings import NetworkSettings, Settings
from t1t2core.strategies.base import TRAINED, Strategy
from t1t2core.strategies.factors import Factors, StrategyName, TunedLayers
from t1t2core.strategies.open import Open


class Conservative(Strategy):
    """Tunes the last `tuned_layers` convolutions of the pretrained network and the classifier."""

    name = "conservative"
    factors = TRAINED | {"tuned_layers"}
    freezes = True
    needs_stages = True
    network_settings = ("frozen_",)

    def misfit(self, settings: Settings) -> str | None:
        """Return a message where statistics are to adapt that the network does not have."""
        network = settings.network
        if network.frozen_norm == "stored" or keeps_statistics(network):
            return super().misfit(settings)
        return (
            "network.frozen_norm: adapted is about the statistics that batch norm keeps; "
            f"{without_statistics(network)} keeps none"
        )

    def refusal(self, tuned_layers: TunedLayers | None, architecture: str = STUDY) -> str | None:
        """Return a message for a number that is not that of the network's last stages."""
        return why_not_tunable(_convolutions(tuned_layers), architecture)

    def resolve(self, tuned_layers: TunedLayers | None, architecture: str = STUDY) -> StrategyName:
        """Return `open` where all layers are tuned."""
        is_whole = isinstance(tuned_layers, int) and tuned_layers == architecture_of(architecture).layers
        return Open.name if is_whole else self.name

    def step_size(self, factors: Factors) -> tuple[int, int]:
        """Return less than for a whole network, and more with each tuned layer."""
        return 0, _convolutions(factors.tuned_layers)

    def frozen_stages(self, factors: Factors, network: NetworkSettings, stages: int) -> int:
        """Return the number of stages before the tuned convolutions."""
        return stages_before(_convolutions(factors.tuned_layers), network.architecture)


def without_statistics(network: NetworkSettings) -> str:
    """Name the setting by which a network has no batch norm."""
    if "normalisation" in settings_of(network.architecture):
        return f"network.normalisation: {network.normalisation}"
    return f"network.architecture: {network.architecture}"


def _convolutions(tuned_layers: TunedLayers | None) -> int:
    return 0 if tuned_layers in ("fc", None) else int(tuned_layers)
