"""The expanding half: three blocks after unpooling, and the classifier."""

from t1t2core.network.convolution import Classifier
from t1t2core.network.stage import ClassifierStage, DecoderStage, Row
from t1t2core.settings import NetworkSettings
from t1t2core.settings.classes import STUDY_CLASSES

"""In the order of their labels 0, 1, 2."""


class Decoder(Row):
    """Nine convolutions and the classifier; a block's last convolution has the next block's width.

    From (B, 4 width, X/8, Y/8, Z/8) to logits (B, classes, X, Y, Z).

    Args:
        encoders: how many encoders' outputs enter side by side.
    """

    def __init__(
        self, settings: NetworkSettings, *, classes: int = len(STUDY_CLASSES), encoders: int = 1
    ) -> None:
        c = settings.width
        super().__init__(
            [
                DecoderStage(encoders * 4 * c, 4 * c, 2 * c, settings),
                DecoderStage(2 * c, 2 * c, c, settings),
                DecoderStage(c, c, c, settings),
                ClassifierStage(Classifier(c, classes)),
            ]
        )
