"""Squeeze-and-excitation attention after every three convolutions (Sec. 3.3; Roy et al., MICCAI 2018)."""

from torch import Tensor, nn

from t1t2core.settings import NetworkSettings


class ChannelExcitation(nn.Module):
    """cSE: squeeze over space, excite the channels.

    Weighs channel k of (B, C, X, Y, Z) by sigmoid(W2 relu(W1 mean_xyz))_k.
    """

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        hidden = max(1, channels // reduction)
        self.squeeze = nn.Linear(channels, hidden)
        self.excite = nn.Linear(hidden, channels)

    def weight(self, x: Tensor) -> Tensor:
        """Weights of the channels, (B, C, 1, 1, 1)."""
        gate = self.excite(self.squeeze(x.mean(dim=(2, 3, 4))).relu()).sigmoid()
        return gate[:, :, None, None, None]

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, X, Y, Z) to the same shape."""
        return x * self.weight(x)


class SpatialExcitation(nn.Module):
    """sSE: squeeze over channels, excite the voxels.

    Weighs voxel v of (B, C, X, Y, Z) by sigmoid(w . x_v + b).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv3d(channels, 1, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, X, Y, Z) to the same shape."""
        return x * self.squeeze(x).sigmoid()


class Attention(nn.Module):
    """Channel and spatial excitation, combined as `NetworkSettings.attention_order` says."""

    def __init__(self, channels: int, settings: NetworkSettings) -> None:
        super().__init__()
        self.order = settings.attention_order
        self.channel = ChannelExcitation(channels, settings.attention_reduction)
        self.spatial = SpatialExcitation(channels)

    def extra_repr(self) -> str:
        """What the parts do not tell."""
        return f"order={self.order}"

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, X, Y, Z) to the same shape."""
        match self.order:
            case "channel_spatial":
                return self.spatial(self.channel(x))
            case "spatial_channel":
                return self.channel(self.spatial(x))
            case "concurrent_max":
                return self.channel(x).maximum(self.spatial(x))
            case _:
                return self.channel(x) + self.spatial(x)
