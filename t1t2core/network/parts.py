"""Encoder and decoder of each architecture."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

import torch

from t1t2core.network.architectures import STUDY
from t1t2core.network.decoder import Decoder
from t1t2core.network.encoder import Encoder
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
        encoder, decoder = module.make(settings.width, classes=classes, encoders=encoders)
    return Row(encoder), Row(decoder)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Let torch's own generator start from a seed, and go on afterwards as if it had not been used."""
    state = torch.default_generator.get_state()
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        torch.default_generator.set_state(state)
