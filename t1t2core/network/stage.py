"""What flows through the network, and the steps it flows through.

A network is a row of stages, those of the encoder, those of the decoder and the classifier, each from
`Features` to `Features`. So the part up to any stage can be run alone, which is what freezing needs. Each
says by `convolutions` how many it has that are counted as layers.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from t1t2core.network.block import CONVOLUTIONS_PER_BLOCK, Block
from t1t2core.network.pooling import max_pool, max_unpool
from t1t2core.settings import NetworkSettings


@dataclass(frozen=True)
class Features:
    """Feature maps between two stages.

    Args:
        values: (B, C, X, Y, Z).
        indices: where each pooling so far found its maxima, the latest last, see `max_pool`.
        skips: what each pooling so far took, the latest last; none without skip connections.
        image: (B, 1, X, Y, Z), where a trained encoder still needs it.
    """

    values: Tensor
    indices: tuple[Tensor, ...] = ()
    skips: tuple[Tensor, ...] = ()
    image: Tensor | None = None

    def first(self, count: int) -> "Features":
        """Return the features of the first `count` images of the batch."""
        return Features(
            self.values[:count],
            tuple(index[:count] for index in self.indices),
            tuple(skip[:count] for skip in self.skips),
            None if self.image is None else self.image[:count],
        )


def join(parts: list[Features]) -> Features:
    """Join several batches into one."""
    indices = zip(*(part.indices for part in parts), strict=True)
    skips = zip(*(part.skips for part in parts), strict=True)
    images = [part.image for part in parts if part.image is not None]
    return Features(
        torch.cat([part.values for part in parts]),
        tuple(torch.cat(index) for index in indices),
        tuple(torch.cat(skip) for skip in skips),
        torch.cat(images) if images else None,
    )


def run_stages(stages: Iterable[nn.Module], features: Features) -> Features:
    """Run one stage after the other."""
    for stage in stages:
        features = stage(features)
    return features


class Row(nn.Module):
    """Stages one after the other: an encoder, or a decoder with its classifier."""

    def __init__(self, stages: Iterable[nn.Module]) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)

    def classifier(self) -> "ClassifierStage":
        """The last stage, of a decoder."""
        last = self.stages[-1]
        assert isinstance(last, ClassifierStage)
        return last

    def forward(self, features: Features) -> Features:
        """Run all stages."""
        return run_stages(self.stages, features)


class EncoderStage(nn.Module):
    """A block, then 2 x 2 x 2 max-pooling that remembers where the maxima were."""

    convolutions = CONVOLUTIONS_PER_BLOCK

    def __init__(self, channels_in: int, channels: int, settings: NetworkSettings) -> None:
        super().__init__()
        self.skip_connections = settings.skip_connections
        self.block = Block(channels_in, channels, channels, settings)

    def extra_repr(self) -> str:
        """Return what the parts do not tell."""
        return f"skip_connections={self.skip_connections}"

    def forward(self, features: Features) -> Features:
        """Halves the grid and adds one entry to the indices, and to the skips where there are any."""
        taken = self.block(features.values)
        values, places = max_pool(taken)
        skips = () if self.skip_connections == "none" else (*features.skips, taken)
        return Features(values, (*features.indices, places), skips)


class BottleneckStage(nn.Module):
    """A block on the coarsest grid."""

    convolutions = CONVOLUTIONS_PER_BLOCK

    def __init__(self, channels: int, settings: NetworkSettings) -> None:
        super().__init__()
        self.block = Block(channels, channels, channels, settings)

    def forward(self, features: Features) -> Features:
        """Keeps the grid, the indices and the skips."""
        return replace(features, values=self.block(features.values))


class DecoderStage(nn.Module):
    """Unpooling, then a block, which takes what the pooling took as well where there are skip connections.

    Args:
        channels_in: channels that are unpooled.
        channels: of the first two convolutions, and of the pooling that is undone.
        channels_out: of the third convolution.
    """

    convolutions = CONVOLUTIONS_PER_BLOCK

    def __init__(self, channels_in: int, channels: int, channels_out: int, settings: NetworkSettings) -> None:
        super().__init__()
        self.unpooling = settings.unpooling
        if settings.skip_connections == "concatenation":
            channels_in += channels
        self.block = Block(channels_in, channels, channels_out, settings)

    def extra_repr(self) -> str:
        """Return what the parts do not tell."""
        return f"unpooling={self.unpooling}"

    def forward(self, features: Features) -> Features:
        """Doubles the grid and uses up the latest indices, and the latest of the skips."""
        *earlier, places = features.indices
        if self.unpooling == "indices":
            values = max_unpool(features.values, places)
        else:
            values = functional.interpolate(features.values, scale_factor=2, mode="nearest")
        if features.skips:
            values = torch.cat([values, features.skips[-1]], dim=1)
        return Features(self.block(values), tuple(earlier), features.skips[:-1])


class ClassifierStage(nn.Module):
    """The "last fully connected layer": in the study's network a 1 x 1 x 1 convolution to the logits.

    Args:
        layer: makes the logits; its last convolution has a bias for each class, or none is set.
    """

    convolutions = 0

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def set_bias(self, bias: Tensor) -> None:
        """Gives the classes these biases (classes,)."""
        found = [part.bias for part in self.layer.modules() if isinstance(part, nn.Conv3d)]
        fitting = [own for own in found if own is not None and own.shape == bias.shape]
        if fitting:
            fitting[-1].data.copy_(bias)

    def forward(self, features: Features) -> Features:
        """Values become logits (B, classes, X, Y, Z)."""
        return replace(features, values=self.layer(features.values))
