"""Where every network is built: whatever the settings name, behind one protocol."""

from t1t2core.network.architectures import ARCHITECTURES
from t1t2core.network.hybrid import HybridSegmenter
from t1t2core.network.own import OwnNetwork
from t1t2core.network.segmenter import Segmenter
from t1t2core.network.staged import StagedNetwork
from t1t2core.settings import Fusion, NetworkSettings
from t1t2core.settings.classes import STUDY_CLASSES


def build_network(
    settings: NetworkSettings, *, classes: int = len(STUDY_CLASSES), seed: int
) -> StagedNetwork:
    """Build the network that the settings name, with fresh weights.

    Args:
        classes: that it tells apart.
        seed: of its weights.

    Raises:
        InputError: it is a class that cannot be imported or made.
    """
    if settings.architecture in ARCHITECTURES:
        return Segmenter(settings, classes=classes, seed=seed)
    return OwnNetwork(settings, classes=classes, seed=seed)


def build_hybrid(
    settings: NetworkSettings, fusion: Fusion, *, classes: int = len(STUDY_CLASSES), seed: int
) -> HybridSegmenter:
    """Build two encoders and one decoder of the network that the settings name, with fresh weights."""
    return HybridSegmenter(settings, fusion, classes=classes, seed=seed)
