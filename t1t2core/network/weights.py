"""Weights as bytes and files: safetensors, never pickles, checked key by key and shape by shape."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from t1t2core.errors import InputError
from t1t2core.files import write_atomically
from t1t2core.network.build import build_network
from t1t2core.settings import NetworkSettings
from t1t2core.settings.classes import STUDY_CLASSES

SHOWN = 5
"""Differences that a message lists before it only counts them."""


def pack_weights(state: Mapping[str, Tensor], about: Mapping[str, str] | None = None) -> bytes:
    """The tensors as the content of a safetensors file; equal tensors give equal bytes.

    Args:
        about: kept in the file's header, as text.
    """
    tensors = {name: state[name].detach().cpu().contiguous() for name in sorted(state)}
    return save(tensors, metadata=dict(about) if about else None)


def unpack_weights(content: bytes, *, source: str) -> dict[str, Tensor]:
    """The tensors of a safetensors file's content.

    Raises:
        InputError: the content is cut short or is something else; `source` names it.
    """
    try:
        return load(content)
    except SafetensorError as error:
        raise InputError(f"{source} is not a whole safetensors file: {error}") from error


def check_weights(
    state: Mapping[str, Tensor], network: NetworkSettings, *, source: str, classes: int = len(STUDY_CLASSES)
) -> None:
    """Compares names and shapes with those of the network that `network` describes.

    Raises:
        InputError: names what is missing, what is too much and whose shape differs.
    """
    built = build_network(network, classes=classes, seed=0)
    expected = {name: tuple(t.shape) for name, t in built.state_dict().items()}
    found = {name: tuple(t.shape) for name, t in state.items()}
    findings = [f"{name}: missing, expected {expected[name]}" for name in expected if name not in found]
    findings += [f"{name}: unknown to this network" for name in found if name not in expected]
    findings += [
        f"{name}: has shape {found[name]}, this network needs {expected[name]}"
        for name in expected
        if name in found and found[name] != expected[name]
    ]
    if findings:
        more = [f"and {len(findings) - SHOWN} more"] if len(findings) > SHOWN else []
        raise InputError.collect(
            f"{source} does not fit the network {asdict(network)}:", findings[:SHOWN] + more
        )


def save_weights(path: Path, state: Mapping[str, Tensor], network: NetworkSettings) -> None:
    """Writes `path` (safetensors) and, beside it with the suffix .json, the architecture."""
    write_atomically(path.with_suffix(".json"), json.dumps({"network": asdict(network)}, indent=2).encode())
    write_atomically(path, pack_weights(state))


def load_weights(path: Path, classes: int = len(STUDY_CLASSES)) -> tuple[dict[str, Tensor], NetworkSettings]:
    """Return what `save_weights` wrote, checked.

    Raises:
        InputError: a file is missing, damaged, or its tensors do not fit its architecture.
    """
    description = path.with_suffix(".json")
    for file in (path, description):
        if not file.is_file():
            raise InputError(
                f"{file}: no such file; weights need the .safetensors file and its .json beside it"
            )
    try:
        network = NetworkSettings(**json.loads(description.read_text(encoding="utf-8"))["network"])
    except (ValueError, LookupError, TypeError) as error:
        raise InputError(f"{description} does not describe a network: {error}") from error
    state = unpack_weights(path.read_bytes(), source=str(path))
    check_weights(state, network, source=str(path), classes=classes)
    return state, network
