"""Which file a recorded plan was made of: in a record, a name stands for one search space."""

import hashlib
from collections.abc import Sequence
from enum import IntEnum
from pathlib import Path

from mlflow.entities import Run

from ablation.names import SPACE_DIGEST, SPACE_FILE, SPACE_PLACE
from ablation.record.ledger import Ledger
from t1t2core.errors import InputError


class Likeness(IntEnum):
    """How sure it is that a plan was made of a file."""

    NO = 0
    NOT_RECORDED = 1
    """By a version that did not record it: counts as yes."""
    SAME_PLACE = 2
    """The file has been changed since."""
    SAME_CONTENT = 3


def file_tags(file: Path) -> dict[str, str]:
    """What a plan's parent run keeps of its search space's file."""
    return {SPACE_PLACE: str(file.resolve()), SPACE_DIGEST: _digest(file.read_bytes())}


def plan_of_file(ledger: Ledger, plans: Sequence[Run], file: Path) -> Run:
    """Of the plans of a name the one made of the file as it is, else of the file as it was.

    Args:
        plans: one or more; of those that are as much alike, the first.

    Raises:
        InputError: they were made of other files.
    """
    found = max(plans, key=lambda plan: _likeness(ledger, plan, file))
    if _likeness(ledger, found, file) is Likeness.NO:
        raise InputError(
            f"{file}: {found.info.run_name} is the name of another search space in {ledger.tracking_uri}, "
            f"that of {found.data.tags[SPACE_PLACE]}; give this one a `name:` of its own (if it is the same "
            "file, moved and then changed, give the command once with the file as it was)"
        )
    return found


def _likeness(ledger: Ledger, plan: Run, file: Path) -> Likeness:
    tags, ours = plan.data.tags, file_tags(file)
    content = None if SPACE_DIGEST in tags else ledger.read_file(plan.info.run_id, SPACE_FILE)
    digest = tags.get(SPACE_DIGEST) if content is None else _digest(content)
    if digest == ours[SPACE_DIGEST]:
        return Likeness.SAME_CONTENT
    if SPACE_PLACE not in tags:
        return Likeness.NOT_RECORDED
    return Likeness.SAME_PLACE if tags[SPACE_PLACE] == ours[SPACE_PLACE] else Likeness.NO


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
