"""Encoder and decoder of each architecture."""

from importlib import import_module

import torch
from torch import nn

from t1t2core.network.architectures import ARCHITECTURES, STUDY
from t1t2core.network.convolution import use_onednn
from t1t2core.network.decoder import Decoder
from t1t2core.network.encoder import Encoder
from t1t2core.network.seeded import seeded
from t1t2core.network.stage import Row
from t1t2core.settings import NetworkSettings


def make_parts(settings: NetworkSettings, *, classes: int, encoders: int = 1, seed: int) -> tuple[Row, Row]:
    """Make an encoder, and a decoder with its classifier.

    MONAI's start with the weights that their authors give them.

    Args:
        encoders: how many encoders' outputs enter the decoder side by side.
        seed: of these weights.
    """
    if settings.architecture == STUDY:
        return Encoder(settings), Decoder(settings, classes=classes, encoders=encoders)
    # MONAI takes seconds to import, which the study's network has no need of.
    module = import_module(f"t1t2core.network.{settings.architecture}")
    with seeded(seed):
        _, encoder, decoder = module.make(settings.width, classes=classes, encoders=encoders)
    rows = Row(encoder), Row(decoder)
    for row in rows:
        use_onednn(row)
    return rows


def foreign_names(settings: NetworkSettings, *, classes: int) -> dict[str, str]:
    """Return the name of each tensor by the one that MONAI has for it; none of other networks."""
    if settings.architecture == STUDY or settings.architecture not in ARCHITECTURES:
        return {}
    module = import_module(f"t1t2core.network.{settings.architecture}")
    with torch.device("meta"):
        net, encoder, decoder = module.make(settings.width, classes=classes)
    ours = nn.ModuleDict({"encoder": Row(encoder), "decoder": Row(decoder)}).state_dict(keep_vars=True)
    name_of = {id(tensor): name for name, tensor in ours.items()}
    return {name: name_of[id(tensor)] for name, tensor in net.state_dict(keep_vars=True).items()}
