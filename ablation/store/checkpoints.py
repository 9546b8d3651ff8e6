"""Checkpoints of trials under way, in storage under `checkpoints/KEY.safetensors`.

One a trial, replaced as it goes on and removed when it is recorded: a sweep keeps at most as many as it
has trials under way, and those that were broken off and not yet run again.
"""

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from ablation.store.storage import Storage
from t1t2core.training.checkpoint import CheckpointError, pack_state, unpack_state

FOLDER = "checkpoints"


@dataclass(frozen=True)
class Checkpoint:
    """State that a trial had got to.

    Args:
        experiment: state of its training.
        history: metrics of each epoch so far, as the record has them.
        seconds: that it took so far.
        borrowed_seconds: that other trials took for it, see `FeatureStore`.
    """

    experiment: dict[str, Any]
    history: list[dict[str, float]]
    seconds: float
    borrowed_seconds: float = 0.0


def save_checkpoint(storage: Storage, key: str, checkpoint: Checkpoint) -> None:
    """Replace the trial's checkpoint, as a whole or not at all."""
    storage.write(_name(key), pack_state(vars(checkpoint)))


def load_checkpoint(storage: Storage, key: str) -> Checkpoint | None:
    """Return the trial's checkpoint; None if there is none that this version can read."""
    try:
        return Checkpoint(**unpack_state(storage.read(_name(key))))
    except (FileNotFoundError, CheckpointError, TypeError):
        return None


def remove_checkpoint(storage: Storage, key: str) -> None:
    """Remove the checkpoint of a trial that is recorded."""
    storage.delete(_name(key))


def checkpointed(storage: Storage) -> list[str]:
    """Return the keys of the trials that have one."""
    return [PurePosixPath(name).stem for name in storage.names(FOLDER)]


def _name(key: str) -> str:
    return f"{FOLDER}/{key}.safetensors"
