"""MONAI's SegResNet: residual blocks and an encoder deeper than the decoder (Myronenko, BrainLes 2018)."""

import math

from monai.networks.blocks.segresnet_block import get_conv_layer
from monai.networks.nets.segresnet import SegResNet
from torch import Tensor, nn

from t1t2core.network.normalisation import GROUPS
from t1t2core.network.stage import ClassifierStage
from t1t2core.network.steps import Made, Step, UpStep


class Added(nn.Module):
    """A layer upwards, what it gives and the skip connection added, then blocks."""

    def __init__(self, up: nn.Module, blocks: nn.Module) -> None:
        super().__init__()
        self.up = up
        self.blocks = blocks

    def forward(self, values: Tensor, skip: Tensor) -> Tensor:
        """Double the grid and halve the channels."""
        added: Tensor = self.blocks(self.up(values) + skip)
        return added


def make(width: int, *, classes: int, encoders: int = 1) -> Made:
    """Make MONAI's network and its stages, one for each residual block of two convolutions.

    With the first block of a grid goes the convolution that leads to it.
    """
    norm = ("GROUP", {"num_groups": math.gcd(GROUPS, width)})
    net = SegResNet(init_filters=width, out_channels=classes, norm=norm)
    encoder: list[nn.Module] = []
    for level, (first, *blocks) in enumerate(net.down_layers):
        steps = [[net.convInit if level == 0 else first, blocks[0]], *([block] for block in blocks[1:])]
        is_kept = level < len(net.down_layers) - 1
        for number, step in enumerate(steps, start=1):
            keeps = is_kept and number == len(steps)
            encoder.append(Step(nn.Sequential(*step), len(step) + 1, keeps=keeps))
    ups = list(net.up_samples)
    if encoders > 1:
        # What is deepest comes from every encoder.
        narrower = get_conv_layer(3, encoders * 8 * width, 4 * width, kernel_size=1)
        ups[0] = nn.Sequential(narrower, ups[0][1])
    decoder = [UpStep(Added(*both), 3) for both in zip(ups, net.up_layers, strict=True)]
    return net, encoder, [*decoder, ClassifierStage(net.conv_final)]
