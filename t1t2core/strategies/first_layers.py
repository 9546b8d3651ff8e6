"""The first layers of the T1 network trained on T2, the others frozen: contrast is learnt at the input.

Shirokikh et al., "First U-Net Layers Contain More Domain Specific Information Than The Last Ones", DART 2020
(arXiv 2008.07357).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from t1t2core.settings import NetworkSettings
from t1t2core.strategies.base import TRAINED, Strategy
from t1t2core.strategies.factors import Factors, TunedLayers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from t1t2core.network.base import Network


class FirstLayers(Strategy):
    """Starts from the T1 network and trains its first `tuned_layers` convolutions; the classifier stays."""

    name = "first_layers"
    factors = TRAINED | {"tuned_layers"}

    def refusal(self, tuned_layers: TunedLayers | None) -> str | None:
        """Return a message for `fc`: the last layer is none of the first."""
        if tuned_layers != "fc":
            return None
        return "fc is the last layer, which first_layers keeps as it is; allowed: 3, 6, 9, 12, 15, 18, 21"

    def build(
        self, factors: Factors, network: NetworkSettings, *, pretrained: Mapping[str, Tensor] | None
    ) -> Network:
        """Build the T1 network with all but its first stages frozen."""
        from t1t2core.network.block import CONVOLUTIONS_PER_BLOCK
        from t1t2core.network.first_stages import FirstStages

        if not isinstance(factors.tuned_layers, int):
            raise ValueError("strategy first_layers needs a number of tuned layers")
        whole = super().build(factors, network, pretrained=pretrained)
        return FirstStages(whole, factors.tuned_layers // CONVOLUTIONS_PER_BLOCK)
