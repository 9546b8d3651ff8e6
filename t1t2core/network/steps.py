"""Stages around modules of MONAI, which keep their own code and weights."""

from dataclasses import replace

from torch import nn

from t1t2core.network.stage import Features


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
        values = self.module(features.values)
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
        values = self.module(features.values, features.skips[-1])
        return replace(features, values=values, skips=features.skips[:-1])
