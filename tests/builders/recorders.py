"""Recorders of a sweep in a real record."""

from typing import Any

from ablation.record.ledger import Ledger
from ablation.record.recorder import Recorder
from ablation.store.storage import Storage
from tests.builders.trials import KEY

LEASE = 60.0


def recorder_of(ledger: Ledger, storage: Storage, **more: Any) -> Recorder:
    """A driver's recorder of a plan with one trial."""
    experiment = ledger.experiment("faults")
    given: dict[str, Any] = {
        "parent": ledger.open_plan(experiment, "plan", "faults", {}),
        "tags": {},
        "names": {KEY: "open"},
        "replaces": {},
        "lease_seconds": LEASE,
    }
    return Recorder(ledger=ledger, storage=storage, experiment_id=experiment, **{**given, **more})
