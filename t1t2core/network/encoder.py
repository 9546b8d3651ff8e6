"""The contracting half: three blocks with pooling, and the bottleneck."""

from t1t2core.network.stage import BottleneckStage, EncoderStage, Row
from t1t2core.settings import NetworkSettings


class Encoder(Row):
    """Twelve convolutions (Sec. 3.3.3 counts nine and the bottleneck's three).

    From an image (B, 1, X, Y, Z) to features (B, 4 width, X/8, Y/8, Z/8).
    """

    def __init__(self, settings: NetworkSettings) -> None:
        c = settings.width
        super().__init__(
            [
                EncoderStage(1, c, settings),
                EncoderStage(c, 2 * c, settings),
                EncoderStage(2 * c, 4 * c, settings),
                BottleneckStage(4 * c, settings),
            ]
        )
