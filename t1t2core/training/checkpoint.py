"""The state of a training as bytes, so that it goes on elsewhere as if it had never stopped.

Tensors and JSON only: reading a checkpoint runs nothing.
"""

import json
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

FORMAT = 1
TREE = "tree"
"""Name of the tensor that holds everything that is not a tensor, as JSON."""
TENSOR = "$tensor"


class CheckpointError(Exception):
    """The bytes are no whole checkpoint of this format."""


def pack_state(state: dict[str, Any]) -> bytes:
    """A tree of dictionaries (names as keys), lists, tensors and JSON values, as one safetensors file."""
    tensors: dict[str, Tensor] = {}
    tree = json.dumps({"format": FORMAT, "state": _without_tensors(state, "", tensors)}).encode()
    return save({**tensors, TREE: torch.frombuffer(bytearray(tree), dtype=torch.uint8)})


def unpack_state(content: bytes) -> dict[str, Any]:
    """Return what `pack_state` was given; tuples come back as lists.

    Raises:
        CheckpointError: the content is cut short, something else, or of another format.
    """
    try:
        tensors = load(content)
        tree = json.loads(bytes(tensors[TREE].numpy()))
        if tree["format"] != FORMAT:
            raise CheckpointError(f"format {tree['format']}, this version reads {FORMAT}")
        state: dict[str, Any] = _with_tensors(tree["state"], tensors)
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(str(error)) from error
    return state


def _without_tensors(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Tensor):
        tensors[path] = value.detach().cpu().contiguous()
        return {TENSOR: path}
    if isinstance(value, dict):
        return {name: _without_tensors(part, f"{path}/{name}", tensors) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_without_tensors(part, f"{path}/{number}", tensors) for number, part in enumerate(value)]
    return value


def _with_tensors(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, dict):
        if TENSOR in value:
            return tensors[value[TENSOR]]
        return {name: _with_tensors(part, tensors) for name, part in value.items()}
    if isinstance(value, list):
        return [_with_tensors(part, tensors) for part in value]
    return value
