"""The first layers of the pretrained network tuned, the others frozen: contrast is learnt at the input.

Shirokikh et al., "First U-Net Layers Contain More Domain Specific Information Than The Last Ones", DART 2020
(arXiv 2008.07357).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from t1t2core.network.architectures import STUDY, architecture_of
from t1t2core.settings import NetworkSettings
from t1t2core.strategies.base import TRAINED, Strategy
from t1t2core.strategies.factors import Factors, TunedLayers

if TYPE_CHECKING:
    from t1t2core.network.base import Network
    from t1t2core.network.staged import StagedNetwork


class FirstLayers(Strategy):
    """Tunes the first `tuned_layers` convolutions of the pretrained network; the classifier stays."""

    name = "first_layers"
    factors = TRAINED | {"tuned_layers"}

    needs_stages = True

    def refusal(self, tuned_layers: TunedLayers | None, architecture: str = STUDY) -> str | None:
        """Return a message for `fc`, the last layer, and for a number that is not that of first stages."""
        numbers = architecture_of(architecture).first_numbers
        allowed = f"allowed: {', '.join(map(str, numbers))}"
        if tuned_layers == "fc":
            return f"fc is the last layer, which first_layers keeps as it is; {allowed}"
        if tuned_layers is None or tuned_layers in numbers:
            return None
        return f"tuned_layers: {tuned_layers}: no first stages of {architecture} have so many; {allowed}"

    def altered(self, built: StagedNetwork, factors: Factors, network: NetworkSettings) -> Network:
        """Return the pretrained network with all but its first stages frozen."""
        from t1t2core.network.first_stages import FirstStages

        if not isinstance(factors.tuned_layers, int):
            raise ValueError("strategy first_layers needs a number of tuned layers")
        numbers = architecture_of(network.architecture).first_numbers
        return FirstStages(built, numbers.index(factors.tuned_layers) + 1)
