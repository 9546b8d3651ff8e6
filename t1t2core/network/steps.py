"""Stages around modules of MONAI, which keep their own code and weights."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from t1t2core.network.stage import Features

Made = tuple[nn.Module, list[nn.Module], list[nn.Module]]
"""MONAI's network as a whole, and the stages of encoder and decoder that are made of its parts."""


class Step(nn.Module):
    """A module that takes the values and gives others.

    Args:
        convolutions: of the module that are counted as layers.
        keeps: whether what it gives is a skip connection, too.
    """

    def __init__(self, module: nn.Module, convolutions: int, *, keeps: bool = False) -> None:
        super().__init__()
        self.module = module
        self.convolutions = convolutions
        self.keeps = keeps

    def extra_repr(self) -> str:
        """Return what the parts do not tell."""
        return f"keeps={self.keeps}"

    def forward(self, features: Features) -> Features:
        """Change the values, and add one to the skips where it is kept."""
        values = _run(self.module, features.values)
        skips = (*features.skips, values) if self.keeps else features.skips
        return replace(features, values=values, skips=skips)


class UpStep(nn.Module):
    """A module that takes the values and the latest skip connection, which is used up."""

    def __init__(self, module: nn.Module, convolutions: int) -> None:
        super().__init__()
        self.module = module
        self.convolutions = convolutions

    def forward(self, features: Features) -> Features:
        """Change the values, on a finer grid."""
        values = _run(self.module, features.values, features.skips[-1])
        return replace(features, values=values, skips=features.skips[:-1])


def _run(module: nn.Module, *inputs: Tensor) -> Tensor:
    """Run a module, also on no image, as a process of a team has at times: instance norm would fail there."""
    if len(inputs[0]):
        values: Tensor = module(*inputs)
        return values
    one: Tensor = module(*(torch.cat([each, each.new_zeros((1, *each.shape[1:]))]) for each in inputs))
    return one[:0]
