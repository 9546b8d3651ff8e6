"""A network as a strategy starts it: which weights it has, and which part of it is trained (Sec. 3.3)."""

from collections.abc import Mapping

from torch import Tensor

from t1t2core.network.base import Network
from t1t2core.network.hybrid import HybridSegmenter
from t1t2core.network.segmenter import Segmenter, stages_before
from t1t2core.seeds import torch_seed
from t1t2core.settings import NetworkSettings
from t1t2core.strategies import STARTS_PRETRAINED, TRAINS, Fusion, Strategy, TunedLayers


def build_network(
    strategy: Strategy,
    tuned_layers: TunedLayers | None,
    fusion: Fusion | None,
    network: NetworkSettings,
    *,
    pretrained: Mapping[str, Tensor] | None,
    seed: int,
) -> Network:
    """The network as a strategy starts it: weights loaded, the frozen part frozen.

    - `no_fine_tuning`: pretrained, all frozen.
    - `norm_adaptation`: the same; its batch-norm statistics are estimated anew before it is scored.
    - `open` (Sec. 3.3.1): pretrained, all trained.
    - `conservative` (Sec. 3.3.2): pretrained, the last `tuned_layers` of 21 convolutions trained.
    - `hybrid` (Sec. 3.3.3): pretrained encoder frozen, another encoder and the decoder trained.
    - `augmented` (Sec. 3.3.4) and `scratch`: Glorot's start, all trained; on T1 and T2, and on T2 alone.

    Args:
        tuned_layers: of `conservative`: 3, 6, ..., 18, or "fc" for the classifier alone.
        fusion: of `hybrid`.
        pretrained: weights of the T1 network, for the strategies that start from it.
        seed: of the initial weights, where they count.
    """
    start = torch_seed(seed, "initial weights")
    if strategy == "hybrid":
        if fusion is None:
            raise ValueError("strategy hybrid needs a fusion operator")
        hybrid = HybridSegmenter(network, fusion, seed=start)
        hybrid.load_pretrained(_required(pretrained, strategy))
        return hybrid
    segmenter = Segmenter(network, seed=start)
    if strategy in STARTS_PRETRAINED:
        segmenter.load_pretrained(_required(pretrained, strategy))
    segmenter.freeze(_frozen_stages(strategy, tuned_layers, len(segmenter.stages)))
    return segmenter


def _required(pretrained: Mapping[str, Tensor] | None, strategy: Strategy) -> Mapping[str, Tensor]:
    if pretrained is None:
        raise ValueError(f"strategy {strategy} starts from a pretrained network; none was given")
    return pretrained


def _frozen_stages(strategy: Strategy, tuned_layers: TunedLayers | None, stages: int) -> int:
    if strategy not in TRAINS:
        return stages
    if strategy != "conservative":
        return 0
    return stages_before(0 if tuned_layers in ("fc", None) else int(tuned_layers))
