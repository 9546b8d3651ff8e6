"""MONAI's DynUNet: a plain convolutional U-Net as nnU-Net has them (Isensee et al., Nat. Methods 2021)."""

from monai.networks.blocks.dynunet_block import UnetUpBlock
from monai.networks.nets.dynunet import DynUNet
from torch import nn

from t1t2core.network.stage import ClassifierStage
from t1t2core.network.steps import Made, Step, UpStep

LEVELS = 4
"""Grids: the image's own is halved three times, as in the study's network."""
MOST_CHANNELS = 320
"""nnU-Net's, in three dimensions."""


def make(width: int, *, classes: int, encoders: int = 1) -> Made:
    """Make MONAI's network and its stages: two convolutions on each grid, one transposed on the way up.

    Kernels are 3 x 3 x 3; instance norm and leaky ReLU follow each, as in nnU-Net.
    """
    filters = [min(width * 2**level, MOST_CHANNELS) for level in range(LEVELS)]
    net = DynUNet(3, 1, classes, [3] * LEVELS, [1, *[2] * (LEVELS - 1)], [2] * (LEVELS - 1), filters)
    ups = list(net.upsamples)
    if encoders > 1:
        # What is deepest comes from every encoder.
        ups[0] = UnetUpBlock(3, encoders * filters[-1], filters[-2], 3, 2, 2, net.norm_name, net.act_name)
        ups[0].apply(net.initialize_weights)
    downs = [net.input_block, *net.downsamples]
    encoder: list[nn.Module] = [*(Step(down, 2, keeps=True) for down in downs), Step(net.bottleneck, 2)]
    return net, encoder, [*(UpStep(up, 3) for up in ups), ClassifierStage(net.output_block)]
