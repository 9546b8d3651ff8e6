"""The expanding half: three blocks after unpooling, and the classifier."""

from torch import nn

from t1t2core.network.stage import ClassifierStage, DecoderStage, Features, run_stages
from t1t2core.settings import NetworkSettings

CLASSES = ("air", "soft_tissue", "bone")
"""In the order of their labels 0, 1, 2."""


class Decoder(nn.Module):
    """Nine convolutions and the classifier; a block's last convolution has the next block's width.

    Args:
        encoders: how many encoders' outputs enter side by side.
    """

    def __init__(self, settings: NetworkSettings, *, encoders: int = 1) -> None:
        super().__init__()
        c = settings.width
        self.stages = nn.ModuleList(
            [
                DecoderStage(encoders * 4 * c, 4 * c, 2 * c, settings),
                DecoderStage(2 * c, 2 * c, c, settings),
                DecoderStage(c, c, c, settings),
                ClassifierStage(c, len(CLASSES)),
            ]
        )

    def classifier(self) -> ClassifierStage:
        """The last stage."""
        last = self.stages[-1]
        assert isinstance(last, ClassifierStage)
        return last

    def forward(self, features: Features) -> Features:
        """Compute the logits (B, 3, X, Y, Z) of (B, 4 width, X/8, Y/8, Z/8)."""
        return run_stages(self.stages, features)
