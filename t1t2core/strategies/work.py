"""How much a training step computes, counted and so the same on every machine."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from t1t2core.network.base import Network


def step_flops(build: Callable[[], "Network"], patch: tuple[int, int, int], batch_size: int) -> int:
    """Return the floating point operations of a step: of convolutions and matrix products, there and back.

    Frozen layers count as if they were computed in each step.

    Args:
        build: makes the network as training starts.
    """
    # What plans and reports imports no torch.
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    # Without values nothing is computed, only counted.
    network = build().to("meta")
    images = torch.empty((batch_size, 1, *patch), device="meta")
    with FlopCounterMode(display=False) as counter:
        with torch.no_grad():
            features = network.run_frozen(images)
        network.run_trained(features).float().sum().backward()
    return counter.get_total_flops()
