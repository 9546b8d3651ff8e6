"""Three convolutions and an attention block: the unit that the network repeats seven times."""

from itertools import pairwise

from torch import Tensor, nn

from t1t2core.network.attention import Attention
from t1t2core.network.batch_norm import rectified
from t1t2core.network.convolution import Convolution
from t1t2core.network.normalisation import make_norm
from t1t2core.settings import NetworkSettings

CONVOLUTIONS_PER_BLOCK = 3
"""Sec. 3.3: attention follows "each three convolutional layers"."""


class Block(nn.Module):
    """Three times convolution 3x3x3, normalisation, ReLU; then attention.

    The convolutions have no bias: batch norm would remove it, and each normalisation has one.

    Args:
        channels_in: channels that enter.
        channels: of the first two convolutions.
        channels_out: of the third.
    """

    def __init__(self, channels_in: int, channels: int, channels_out: int, settings: NetworkSettings) -> None:
        super().__init__()
        widths = (channels_in, channels, channels, channels_out)
        self.convolutions = nn.ModuleDict()
        # Weights on disk count the ReLU, which has none, as every third layer.
        for number, (before, after) in enumerate(pairwise(widths)):
            self.convolutions[str(3 * number)] = Convolution(before, after)
            self.convolutions[str(3 * number + 1)] = make_norm(after, settings.normalisation)
        self.attention = Attention(channels_out, settings)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels_in, X, Y, Z) to (B, channels_out, X, Y, Z)."""
        layers = iter(self.convolutions.values())
        for convolution, norm in zip(layers, layers, strict=True):
            x = rectified(norm, convolution(x))
        return self.attention(x)
