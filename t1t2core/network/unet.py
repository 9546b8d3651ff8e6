"""MONAI's U-Net with residual units and skip connections (Kerfoot et al., STACOM 2018)."""

from typing import Any

import torch
from monai.networks.nets.unet import UNet
from torch import Tensor, nn

from t1t2core.network.stage import ClassifierStage
from t1t2core.network.steps import Made, Step, UpStep

LEVELS = 4
"""Grids: the image's own is halved three times, as in the study's network."""


class Joined(nn.Module):
    """What MONAI's skip connection gives to the layer after it: its own input first, then the values."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, values: Tensor, skip: Tensor) -> Tensor:
        """Concatenate the channels, then run the layer."""
        joined: Tensor = self.layer(torch.cat([skip, values], dim=1))
        return joined


def make(width: int, *, classes: int, encoders: int = 1) -> Made:
    """Make MONAI's network and its stages: two convolutions each, but one before the classifier.

    The classifier is the residual unit that MONAI ends with, a convolution over the classes' channels.
    """
    channels = [width * 2**level for level in range(LEVELS)]
    net = UNet(3, 1, classes, channels, strides=[2] * (LEVELS - 1), num_res_units=2)
    downs: list[nn.Module] = []
    ups: list[Any] = []
    layer: Any = net.model
    while isinstance(layer, nn.Sequential):
        down, around, up = layer
        downs.append(down)
        ups.append(up)
        layer = around.submodule
    if encoders > 1:
        # What is deepest comes from every encoder.
        ups[-1] = net._get_up_layer(channels[-2] + encoders * channels[-1], channels[-3], 2, False)
    encoder: list[nn.Module] = [*(Step(down, 2, keeps=True) for down in downs), Step(layer, 2)]
    top, classifier = ups[0]
    decoder = [*(UpStep(Joined(up), 2) for up in ups[:0:-1]), UpStep(Joined(top), 1)]
    return net, encoder, [*decoder, ClassifierStage(classifier)]
