"""MONAI's Swin UNETR: attention within windows, then convolutions (Hatamizadeh et al., BrainLes 2021)."""

from dataclasses import replace

from monai.networks.nets.swin_unetr import SwinUNETR
from torch import Tensor, nn

from t1t2core.network.stage import ClassifierStage, Features
from t1t2core.network.steps import Made, UpStep


class Embedding(nn.Module):
    """The image as tokens on half the grid; it and they are skip connections, after two convolutions each."""

    convolutions = 5

    def __init__(self, net: SwinUNETR) -> None:
        super().__init__()
        self.patches = net.swinViT.patch_embed
        self.of_image = net.encoder1
        self.of_tokens = net.encoder2

    def forward(self, features: Features) -> Features:
        """Halve the grid and add two skips."""
        image = features.values
        tokens = self.patches(image)
        skips = self.of_image(image), self.of_tokens(_normalised(tokens))
        return replace(features, values=tokens, skips=skips)


class Windows(nn.Module):
    """Two blocks of attention within windows, then half the grid.

    Args:
        blocks: MONAI's.
        skip: two convolutions to the skip connection; without them it is what the blocks give.
    """

    def __init__(self, blocks: nn.Module, skip: nn.Module | None) -> None:
        super().__init__()
        self.convolutions = 2 if skip is None else 4
        self.blocks = blocks
        self.skip = skip

    def forward(self, features: Features) -> Features:
        """Halve the grid and add a skip."""
        values = self.blocks(features.values.contiguous())
        kept = _normalised(values)
        skip = kept if self.skip is None else self.skip(kept)
        return replace(features, values=values, skips=(*features.skips, skip))


class Bottom(nn.Module):
    """The coarsest grid: two blocks of attention and two convolutions."""

    convolutions = 4

    def __init__(self, blocks: nn.Module, layer: nn.Module) -> None:
        super().__init__()
        self.blocks = blocks
        self.layer = layer

    def forward(self, features: Features) -> Features:
        """Halve the grid."""
        values = self.layer(_normalised(self.blocks(features.values.contiguous())))
        return replace(features, values=values)


def make(width: int, *, classes: int, encoders: int = 1) -> Made:
    """Make MONAI's network and its stages; a block of attention counts as a convolution.

    The decoder of one encoder is all that there is: two cannot be joined where skips are of five grids.
    """
    assert encoders == 1
    net = SwinUNETR(in_channels=1, out_channels=classes, feature_size=width)
    swin = net.swinViT
    encoder = [
        Embedding(net),
        Windows(swin.layers1[0], net.encoder3),
        Windows(swin.layers2[0], net.encoder4),
        Windows(swin.layers3[0], None),
        Bottom(swin.layers4[0], net.encoder10),
    ]
    ups = (net.decoder5, net.decoder4, net.decoder3, net.decoder2, net.decoder1)
    return net, encoder, [*(UpStep(up, 3) for up in ups), ClassifierStage(net.out)]


def _normalised(values: Tensor) -> Tensor:
    """Layer norm over the channels, without weights, as MONAI has it at each of its outputs."""
    channels = values.movedim(1, -1)
    return nn.functional.layer_norm(channels, [channels.shape[-1]]).movedim(-1, 1)
