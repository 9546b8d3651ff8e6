"""The contracting half: three blocks with pooling, and the bottleneck."""

from torch import nn

from t1t2core.network.stage import BottleneckStage, EncoderStage, Features, run_stages
from t1t2core.settings import NetworkSettings


class Encoder(nn.Module):
    """Twelve convolutions (Sec. 3.3.3 counts nine and the bottleneck's three)."""

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        c = settings.width
        self.stages = nn.ModuleList(
            [
                EncoderStage(1, c, settings),
                EncoderStage(c, 2 * c, settings),
                EncoderStage(2 * c, 4 * c, settings),
                BottleneckStage(4 * c, settings),
            ]
        )

    def forward(self, features: Features) -> Features:
        """Compute features (B, 4 width, X/8, Y/8, Z/8) of the image (B, 1, X, Y, Z)."""
        return run_stages(self.stages, features)
