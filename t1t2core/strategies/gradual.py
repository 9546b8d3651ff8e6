"""The pretrained network tuned from its output on, a stage every few epochs.

Howard & Ruder, "Universal Language Model Fine-tuning for Text Classification", ACL 2018 (arXiv 1801.06146).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from t1t2core.settings import NetworkSettings
from t1t2core.strategies.base import Strategy
from t1t2core.strategies.factors import Factors

if TYPE_CHECKING:
    from t1t2core.network.base import Network
    from t1t2core.network.staged import StagedNetwork


class Gradual(Strategy):
    """Tunes the classifier of the pretrained network, then one more stage at a time, at last all."""

    name = "gradual"
    freezes = True
    network_settings = ("gradual_",)

    needs_stages = True

    def altered(self, built: StagedNetwork, factors: Factors, network: NetworkSettings) -> Network:
        """Return the pretrained network, which is frozen when its first epoch begins."""
        from t1t2core.network.gradual import GradualNetwork

        return GradualNetwork(built, network.gradual_epochs)
