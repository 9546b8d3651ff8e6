"""What flows through the network, and the steps it flows through.

The network is a row of stages (four of the encoder, three of the decoder, the classifier), each from
`Features` to `Features`. So the part up to any stage can be run alone, which is what freezing needs.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from t1t2core.network.block import Block
from t1t2core.settings import NetworkSettings


@dataclass(frozen=True)
class Features:
    """Feature maps between two stages.

    Args:
        values: (B, C, X, Y, Z).
        indices: where each pooling so far found its maxima, the latest last (int64, as torch has them).
        image: (B, 1, X, Y, Z), where a trained encoder still needs it.
    """

    values: Tensor
    indices: tuple[Tensor, ...] = ()
    image: Tensor | None = None


def join(parts: list[Features]) -> Features:
    """One batch of several."""
    indices = zip(*(part.indices for part in parts), strict=True)
    images = [part.image for part in parts if part.image is not None]
    return Features(
        torch.cat([part.values for part in parts]),
        tuple(torch.cat(index) for index in indices),
        torch.cat(images) if images else None,
    )


def run_stages(stages: Iterable[nn.Module], features: Features) -> Features:
    """One stage after the other."""
    for stage in stages:
        features = stage(features)
    return features


class EncoderStage(nn.Module):
    """A block, then 2 x 2 x 2 max-pooling that remembers where the maxima were."""

    def __init__(self, channels_in: int, channels: int, settings: NetworkSettings) -> None:
        super().__init__()
        self.block = Block(channels_in, channels, channels, settings)

    def forward(self, features: Features) -> Features:
        """Halves the grid and adds one entry to the indices."""
        values, index = functional.max_pool3d(self.block(features.values), 2, return_indices=True)
        return Features(values, (*features.indices, index))


class BottleneckStage(nn.Module):
    """A block on the coarsest grid."""

    def __init__(self, channels: int, settings: NetworkSettings) -> None:
        super().__init__()
        self.block = Block(channels, channels, channels, settings)

    def forward(self, features: Features) -> Features:
        """Keeps the grid and the indices."""
        return Features(self.block(features.values), features.indices)


class DecoderStage(nn.Module):
    """Unpooling, then a block."""

    def __init__(self, channels_in: int, channels: int, channels_out: int, settings: NetworkSettings) -> None:
        super().__init__()
        self.unpooling = settings.unpooling
        self.block = Block(channels_in, channels, channels_out, settings)

    def extra_repr(self) -> str:
        """What the parts do not tell."""
        return f"unpooling={self.unpooling}"

    def forward(self, features: Features) -> Features:
        """Doubles the grid and uses up the latest indices."""
        *earlier, index = features.indices
        if self.unpooling == "indices":
            values = functional.max_unpool3d(features.values, index, [2, 2, 2])
            # It comes with the channels first: convolution and gradient would each move them.
            values = values.contiguous(memory_format=torch.channels_last_3d)
        else:
            values = functional.interpolate(features.values, scale_factor=2, mode="nearest")
        return Features(self.block(values), tuple(earlier))


class ClassifierStage(nn.Module):
    """The "last fully connected layer": a 1 x 1 x 1 convolution to the classes' logits."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.layer = nn.Conv3d(channels, classes, kernel_size=1)

    def set_bias(self, bias: Tensor) -> None:
        """Gives the classes these biases (classes,)."""
        assert self.layer.bias is not None
        self.layer.bias.data.copy_(bias)

    def forward(self, features: Features) -> Features:
        """Values become logits (B, classes, X, Y, Z)."""
        return Features(self.layer(features.values), features.indices)
