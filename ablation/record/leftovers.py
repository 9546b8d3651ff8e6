"""What trials leave in storage while they are under way, and its removal once they are recorded."""

from collections.abc import Collection

from ablation.record.trials import TrialRuns
from ablation.store.checkpoints import checkpointed, remove_checkpoint
from ablation.store.outcome import FOLDER as OUTCOMES
from ablation.store.outcome import remove_outcome
from ablation.store.storage import Storage


def remove_leftovers(storage: Storage, key: str) -> None:
    """Remove a trial's outcome and checkpoint."""
    remove_outcome(storage, key)
    remove_checkpoint(storage, key)


def tidy(ledger: TrialRuns, storage: Storage, keys: Collection[str]) -> None:
    """Remove what is left in storage of those of these trials that are recorded.

    Whoever records a trial cleans up after it. A driver that was killed before it could has left something,
    and so has one that went on with a trial while another recorded it. What belongs to a run that is under
    way or was broken off stays: where a trial is run again, it goes on from there.
    """
    wanted = set(keys)
    left = {key for key in storage.folders(OUTCOMES) if key in wanted and storage.names(f"{OUTCOMES}/{key}")}
    left |= wanted.intersection(checkpointed(storage))
    for key in sorted(left):
        states = {run.info.status for run in ledger.runs_of(key)}
        if states == {"FINISHED"}:
            remove_leftovers(storage, key)
