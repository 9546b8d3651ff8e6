"""A network of one's own: `network.architecture: own_network:Small`, with this folder on PYTHONPATH."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from t1t2core.network.stage import ClassifierStage, Features


class Down(nn.Module):
    """Two convolutions, whose output is kept for the way up; then half the grid."""

    convolutions = 2

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__()
        first, second = (nn.Conv3d(c, channels, 3, padding=1) for c in (channels_in, channels))
        self.layers = nn.Sequential(first, nn.PReLU(), second, nn.PReLU())

    def forward(self, features: Features) -> Features:
        values = self.layers(features.values)
        halved = nn.functional.avg_pool3d(values, 2)
        return replace(features, values=halved, skips=(*features.skips, values))


class Up(nn.Module):
    """The doubled grid beside what was kept, and a convolution of both."""

    convolutions = 1

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__()
        self.layer = nn.Conv3d(channels_in, channels, 3, padding=1)

    def forward(self, features: Features) -> Features:
        *earlier, skip = features.skips
        doubled = nn.functional.interpolate(features.values, scale_factor=2)
        values: Tensor = self.layer(torch.cat([doubled, skip], dim=1)).relu()
        return replace(features, values=values, skips=tuple(earlier))


class Small(nn.Module):
    """Six convolutions in four stages, then the classifier: `tuned_layers` may be fc, 1, 2 or 4."""

    divisor = 4

    def __init__(self, *, width: int, classes: int) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            [Down(1, width), Down(width, width), Up(2 * width, width), Up(2 * width, width)]
        )
        self.stages.append(ClassifierStage(nn.Conv3d(width, classes, 1)))
