"""The strategies: which weights a network starts from and which part of it is trained (Sec. 3.3)."""

from collections.abc import Mapping
from typing import Literal

from torch import Tensor

from t1t2core.network.segmenter import Segmenter, stages_before
from t1t2core.seeds import torch_seed
from t1t2core.settings import NetworkSettings

Strategy = Literal[
    "no_fine_tuning", "open", "conservative", "hybrid", "augmented", "scratch", "norm_adaptation"
]
TunedLayers = int | Literal["fc"]

STARTS_PRETRAINED = frozenset({"no_fine_tuning", "open", "conservative"})
"""Strategies that start from the T1 network."""
TRAINS = frozenset({"open", "conservative", "scratch"})
"""Strategies that change a weight."""


def build_network(
    strategy: Strategy,
    tuned_layers: TunedLayers | None,
    network: NetworkSettings,
    *,
    pretrained: Mapping[str, Tensor] | None,
    seed: int,
) -> Segmenter:
    """The network as a strategy starts it: weights loaded, stages frozen.

    - `no_fine_tuning`: pretrained, all frozen.
    - `open` (Sec. 3.3.1): pretrained, all trained.
    - `conservative` (Sec. 3.3.2): pretrained, the last `tuned_layers` of 21 convolutions trained.
    - `scratch`: Glorot's start, all trained; the control that transfer is measured against.

    Args:
        tuned_layers: of `conservative`: 3, 6, ..., 18, or "fc" for the classifier alone.
        pretrained: weights of the T1 network, needed by all but `scratch`.
        seed: of the initial weights, where they count.
    """
    segmenter = Segmenter(network, seed=torch_seed(seed, "initial weights"))
    if strategy in STARTS_PRETRAINED:
        if pretrained is None:
            raise ValueError(f"strategy {strategy} starts from a pretrained network; none was given")
        segmenter.load_pretrained(pretrained)
    segmenter.freeze(_frozen_stages(strategy, tuned_layers, len(segmenter.stages)))
    return segmenter


def _frozen_stages(strategy: Strategy, tuned_layers: TunedLayers | None, stages: int) -> int:
    if strategy not in TRAINS:
        return stages
    if strategy != "conservative":
        return 0
    return stages_before(0 if tuned_layers in ("fc", None) else int(tuned_layers))
