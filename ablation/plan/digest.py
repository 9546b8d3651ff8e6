"""Short names for long descriptions."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def digest_of(description: Any) -> str:
    """SHA-256 of a description made of dicts, lists, strings, numbers, booleans and None.

    The order of a dict's keys does not count; 1 and 1.0 are the same, as they are in a result.
    """
    return hashlib.sha256(text_of(description).encode()).hexdigest()


def digest_of_texts(parts: Mapping[str, str]) -> str:
    """`digest_of` a dict whose values are written out already, by `text_of`; its keys are plain names."""
    text = ",".join([f'"{name}":{parts[name]}' for name in sorted(parts)])
    return hashlib.sha256(f"{{{text}}}".encode()).hexdigest()


def text_of(description: Any) -> str:
    """Return a description as JSON, the same for the same content."""
    return json.dumps(_plain(description), sort_keys=True, separators=(",", ":"), allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
