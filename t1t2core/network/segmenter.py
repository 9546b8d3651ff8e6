"""The whole network: an encoder and a decoder."""

from torch import nn

from t1t2core.network.architectures import STUDY
from t1t2core.network.parts import make_parts
from t1t2core.network.staged import StagedNetwork
from t1t2core.settings import NetworkSettings
from t1t2core.settings.classes import STUDY_CLASSES


class Segmenter(StagedNetwork):
    """Encoder and decoder of any architecture that this project has.

    The study's has 21 convolutions, 7 attention blocks and the classifier (Fig. 1).

    Args:
        classes: that it tells apart.
        seed: of its weights.
    """

    def __init__(self, settings: NetworkSettings, *, classes: int = len(STUDY_CLASSES), seed: int) -> None:
        super().__init__(settings)
        self.encoder, self.decoder = make_parts(settings, classes=classes, seed=seed)
        if settings.architecture == STUDY:
            self.initialise(seed=seed)

    @property
    def stages(self) -> list[nn.Module]:
        """All stages, in the order of the data."""
        return [*self.encoder.stages, *self.decoder.stages]
