"""Short names for long descriptions."""

import hashlib
import json
from typing import Any


def digest_of(description: Any) -> str:
    """SHA-256 of a description made of dicts, lists, strings, numbers, booleans and None.

    The order of a dict's keys does not count; 1 and 1.0 are the same, as they are in a result.
    """
    text = json.dumps(_plain(description), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
