"""The layer between a convolution and its ReLU, as `NetworkSettings.normalisation` names it."""

import math
from typing import Literal

import torch
from torch import Tensor, nn

GROUPS = 8
"""Of group norm, as in MONAI's SegResNet (Myronenko, BrainLes 2018)."""
FEWEST_IN_GROUP = 2
"""Channels of a group: with one, group norm would be instance norm."""


class GroupNorm(nn.GroupNorm):
    """torch's own, which takes up to seven times as long on a CPU if the channels are last in memory."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, X, Y, Z) to the same shape, with the channels last again."""
        return super().forward(x.contiguous()).contiguous(memory_format=torch.channels_last_3d)


def make_norm(channels: int, kind: Literal["batch", "instance", "group"]) -> nn.Module:
    """Make one with a scale and a shift for each channel.

    Instance norm (Ulyanov et al., 2016) is group norm (Wu & He, ECCV 2018) with a channel a group: neither
    keeps statistics, and what becomes of a patch does not depend on those beside it. `groups_of` says how
    many groups there are otherwise.
    """
    if kind == "batch":
        return nn.BatchNorm3d(channels)
    return GroupNorm(channels if kind == "instance" else groups_of(channels), channels)


def groups_of(channels: int) -> int:
    """Return `GROUPS`, or fewer: each has as many channels as the others, and `FEWEST_IN_GROUP` at least.

    With 32 channels 8 groups, with 8 four, with 2 one, which is layer norm.
    """
    return max(1, math.gcd(GROUPS * FEWEST_IN_GROUP, channels) // FEWEST_IN_GROUP)
