"""The study's network as one would write it from PyTorch's documentation: its own modules, nothing of ours.

It has the layers of `t1t2core.network.segmenter` at its default settings, and their names, so that it takes
the same weights.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

CLASSES = 3


class Block(nn.Module):
    """Three convolutions, and channel and spatial squeeze-and-excitation."""

    def __init__(self, channels_in: int, channels: int, channels_out: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in pairwise((channels_in, channels, channels, channels_out)):
            layers += [nn.Conv3d(before, after, 3, padding=1, bias=False), nn.BatchNorm3d(after)]
            layers.append(nn.ReLU(inplace=True))
        self.convolutions = nn.Sequential(*layers)
        self.attention = nn.ModuleDict(
            {
                "channel": nn.ModuleDict(
                    {
                        "squeeze": nn.Linear(channels_out, channels_out // 2),
                        "excite": nn.Linear(channels_out // 2, channels_out),
                    }
                ),
                "spatial": nn.ModuleDict({"squeeze": nn.Conv3d(channels_out, 1, 1)}),
            }
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels_in, X, Y, Z) to (B, channels_out, X, Y, Z)."""
        x = self.convolutions(x)
        channel, spatial = self.attention["channel"], self.attention["spatial"]
        gates = torch.sigmoid(channel["excite"](torch.relu(channel["squeeze"](x.mean((2, 3, 4))))))
        x = x * gates[:, :, None, None, None]
        return x * torch.sigmoid(spatial["squeeze"](x))


class PlainNetwork(nn.Module):
    """21 convolutions in 7 blocks, and the classifier."""

    def __init__(self, width: int) -> None:
        super().__init__()
        c = width
        down = [(1, c, c), (c, 2 * c, 2 * c), (2 * c, 4 * c, 4 * c), (4 * c, 4 * c, 4 * c)]
        up = [(4 * c, 4 * c, 2 * c), (2 * c, 2 * c, c), (c, c, c)]
        self.encoder = nn.ModuleDict({"stages": nn.ModuleList(_stage(*widths) for widths in down)})
        classifier = nn.ModuleDict({"layer": nn.Conv3d(c, CLASSES, 1)})
        self.decoder = nn.ModuleDict(
            {"stages": nn.ModuleList([*(_stage(*widths) for widths in up), classifier])}
        )
        self.pool = nn.MaxPool3d(2, return_indices=True)
        self.unpool = nn.MaxUnpool3d(2)

    @property
    def stages(self) -> list[nn.Module]:
        """All eight, in the order of the data."""
        return [*self.encoder["stages"], *self.decoder["stages"]]

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, 3, X, Y, Z) of an image (B, 1, X, Y, Z)."""
        *down, bottleneck = (stage["block"] for stage in self.encoder["stages"])
        *up, classifier = self.decoder["stages"]
        kept = []
        for block in down:
            x, indices = self.pool(block(x))
            kept.append(indices)
        x = bottleneck(x)
        for stage in up:
            x = stage["block"](self.unpool(x, kept.pop()))
        logits: Tensor = classifier["layer"](x)
        return logits


def _stage(channels_in: int, channels: int, channels_out: int) -> nn.ModuleDict:
    return nn.ModuleDict({"block": Block(channels_in, channels, channels_out)})
