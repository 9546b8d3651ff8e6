"""The expanding half: three blocks after unpooling, and the classifier."""

from torch import nn

from t1t2core.network.stage import ClassifierStage, DecoderStage, Features
from t1t2core.settings import NetworkSettings

CLASSES = ("air", "soft_tissue", "bone")
"""In the order of their labels 0, 1, 2."""


class Decoder(nn.Module):
    """Nine convolutions and the classifier; a block's last convolution has the next block's width."""

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        c = settings.width
        self.stages = nn.ModuleList(
            [
                DecoderStage(4 * c, 2 * c, settings),
                DecoderStage(2 * c, c, settings),
                DecoderStage(c, c, settings),
                ClassifierStage(c, len(CLASSES)),
            ]
        )

    def forward(self, features: Features) -> Features:
        """From (B, 4 width, X/8, Y/8, Z/8) to the logits (B, 3, X, Y, Z)."""
        for stage in self.stages:
            features = stage(features)
        return features
