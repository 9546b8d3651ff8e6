"""A pretrained network whose weights come from elsewhere, stored like one that was trained here."""

import hashlib
from dataclasses import asdict
from pathlib import Path

from ablation.plan.digest import digest_of
from ablation.plan.recipe import t1_network
from ablation.store.pretrained import EncoderStore
from t1t2core.network.architectures import identity_of
from t1t2core.network.foreign import read_foreign
from t1t2core.settings import NetworkSettings
from t1t2core.settings.classes import STUDY_CLASSES


def adopt_foreign(
    encoders: EncoderStore, path: Path, network: NetworkSettings, classes: int = len(STUDY_CLASSES)
) -> str:
    """Store the weights of a file and return their digest; whom they were trained on is not known.

    Raises:
        InputError: the file is not there, or its weights are not those of such a network.
    """
    weights = read_foreign(path, network, classes=classes)
    of_file, own = hashlib.sha256(path.read_bytes()).hexdigest(), t1_network(network)
    recipe = {"file": path.name, "file_digest": of_file, "network": asdict(own)}
    named = {"file_digest": of_file, "network": identity_of(own)}
    return encoders.publish_as(weights, {**recipe, "training": [], "validation": []}, digest_of(named), {})
