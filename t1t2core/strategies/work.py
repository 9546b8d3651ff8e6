"""How much a training step of a strategy computes, counted and so the same on every machine."""

from functools import lru_cache

from t1t2core.settings import NetworkSettings, TrainingSettings
from t1t2core.strategies.base import Strategy
from t1t2core.strategies.factors import Factors


def step_flops(
    strategy: Strategy, factors: Factors, network: NetworkSettings, training: TrainingSettings
) -> int:
    """Return the floating point operations of a step: of convolutions and matrix products, there and back.

    Frozen layers count as if they were computed in each step. Stages of a hybrid's training count as one.
    """
    return _count(
        strategy, factors.tuned_layers, factors.fusion, network, training.patch, training.batch_size
    )


@lru_cache(maxsize=256)
def _count(
    strategy: Strategy,
    tuned_layers: int | str | None,
    fusion: str | None,
    network: NetworkSettings,
    patch: tuple[int, int, int],
    batch_size: int,
) -> int:
    # What plans and reports imports no torch.
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from t1t2core.network.segmenter import Segmenter

    factors = Factors(
        strategy=strategy.name,
        tuned_layers=tuned_layers,  # type: ignore[arg-type]
        fusion=fusion,  # type: ignore[arg-type]
        seed=0,
    )
    pretrained = Segmenter(network, seed=0).state_dict()
    # Without values nothing is computed, only counted.
    built = strategy.build(factors, network, pretrained=pretrained).to("meta")
    images = torch.empty((batch_size, 1, *patch), device="meta")
    with FlopCounterMode(display=False) as counter:
        with torch.no_grad():
            features = built.run_frozen(images)
        built.run_trained(features).float().sum().backward()
    return counter.get_total_flops()
