"""How the training of a pretrained network goes, in storage under `pretraining/RECIPE.json`.

The worker writes it with each checkpoint and before it publishes the network; the driver reads it for the
record, and removes it once all of it is there. So nothing is lost when either dies in between.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any

from ablation.store.storage import Storage

FOLDER = "pretraining"


@dataclass(frozen=True, kw_only=True)
class Journal:
    """What the record is to know of a training.

    Args:
        workers: that share out its patches.
        history: metrics of each epoch so far.
        metrics: once it has ended: scores, seconds, memory.
        stop_reason: why it ended; empty while it has not.
    """

    workers: int
    history: list[dict[str, float]]
    metrics: dict[str, float]
    stop_reason: str = ""


def write_journal(storage: Storage, recipe_digest: str, journal: Journal) -> None:
    """Write a journal over one that was there."""
    storage.write(_name(recipe_digest), json.dumps(asdict(journal)).encode())


def read_journal(storage: Storage, recipe_digest: str) -> Journal | None:
    """Return the journal; None if there is none, or none that this version can read."""
    try:
        content: dict[str, Any] = json.loads(storage.read(_name(recipe_digest)))
        return Journal(**content)
    except (FileNotFoundError, TypeError, ValueError):
        return None


def remove_journal(storage: Storage, recipe_digest: str) -> None:
    """Remove the journal of a training that is recorded."""
    storage.delete(_name(recipe_digest))


def _name(recipe_digest: str) -> str:
    return f"{FOLDER}/{recipe_digest}.json"
