"""Low-rank additions to the pretrained network trained on T2 (LoRA, Hu et al. 2021, arXiv 2106.09685)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from t1t2core.seeds import torch_seed
from t1t2core.settings import NetworkSettings
from t1t2core.strategies.base import Strategy
from t1t2core.strategies.factors import Factors

if TYPE_CHECKING:
    from t1t2core.network.base import Network
    from t1t2core.network.staged import StagedNetwork


class LowRank(Strategy):
    """Starts from the pretrained network and trains what it adds to the kernels, and the classifier."""

    name = "low_rank"
    network_settings = ("lora_",)

    needs_stages = True

    def altered(self, built: StagedNetwork, factors: Factors, network: NetworkSettings) -> Network:
        """Return the pretrained network with additions that are 0 at the start."""
        from t1t2core.network.low_rank import LowRankNetwork

        return LowRankNetwork(
            built, network.lora_rank, seed=torch_seed(factors.seed or 0, "low-rank additions")
        )
