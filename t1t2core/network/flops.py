"""How much a network computes for a patch, counted and so the same on every machine."""

import copy

import torch
from torch.utils.flop_counter import FlopCounterMode

from t1t2core.network.base import Network

Voxel = tuple[int, int, int]
_COUNTED: dict[tuple[str, Voxel], int] = {}
"""By what a network says of itself, which its weights have no part in."""


def forward_flops(network: Network, patch: Voxel) -> int:
    """Return the floating point operations of convolutions and matrix products that label one patch."""
    what = repr(network), patch
    if what not in _COUNTED:
        # Without values nothing is computed, only counted.
        empty = copy.deepcopy(network).to("meta").eval()
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            empty(torch.empty((1, 1, *patch), device="meta"))
        _COUNTED[what] = counter.get_total_flops()
    return _COUNTED[what]
