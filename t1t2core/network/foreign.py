"""Weights that were trained elsewhere, as the weights of a network here."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from t1t2core.errors import InputError
from t1t2core.network.parts import foreign_names
from t1t2core.network.weights import check_weights, unpack_weights
from t1t2core.settings import NetworkSettings
from t1t2core.settings.classes import STUDY_CLASSES

INSIDE = ("state_dict", "model_state_dict", "model")
"""Keys under which checkpoints have the weights beside other things."""
WRAPPED = ("module.", "network.")
"""What names begin with where the network was trained inside another module."""


def read_foreign(
    path: Path, network: NetworkSettings, *, classes: int = len(STUDY_CLASSES)
) -> dict[str, Tensor]:
    """Return the weights of a safetensors file, or of a checkpoint that holds tensors alone.

    Names may be those of this project or, for a network of MONAI's, those that MONAI has.

    Raises:
        InputError: there is no such file, it holds something else, or its names and shapes are not those of
            `network`; a line for each that differs.
    """
    if not path.is_file():
        raise InputError(f"--pretrained {path}: no such file")
    found = _tensors(path)
    while prefix := next((p for p in WRAPPED if found and all(name.startswith(p) for name in found)), None):
        found = {name.removeprefix(prefix): tensor for name, tensor in found.items()}
    names = foreign_names(network, classes=classes)
    if names and found.keys() & names.keys():
        found = {names.get(name, name): tensor for name, tensor in found.items()}
    check_weights(found, network, source=f"--pretrained {path}", classes=classes)
    return found


def _tensors(path: Path) -> dict[str, Tensor]:
    if path.suffix == ".safetensors":
        return unpack_weights(path.read_bytes(), source=f"--pretrained {path}")
    try:
        # Nothing but tensors and plain values: reading runs none of the file's own code.
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        raise InputError(
            f"--pretrained {path}: neither a safetensors file nor a checkpoint of tensors and plain values "
            f"alone: {str(error).splitlines()[0]}"
        ) from error
    for key in INSIDE:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not all(isinstance(t, Tensor) for t in content.values()):
        raise InputError(
            f"--pretrained {path}: it holds no weights by name, also not under {', '.join(INSIDE)}"
        )
    return dict(content)
