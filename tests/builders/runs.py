"""Runs of trials in a record, started, finished and moved to other drivers."""

import json
from pathlib import Path

from mlflow.entities import Run

from ablation.record.ledger import Ledger

NOON = 1_800_000_000.0
SCORES = [{"weights": "best", "split": "test", "patient": "sub-01"}]


def start(ledger: Ledger, key: str, *, experiment: str = "conservative", name: str = "open") -> str:
    identifier = ledger.experiment(experiment)
    parent = ledger.open_plan(identifier, f"plan of {experiment}", experiment, {})
    return ledger.start_trial(identifier, parent, name, params={"fold": 1}, tags={"trial_key": key})


def finish(ledger: Ledger, run_id: str, folder: Path, **metrics: float) -> None:
    files = folder / f"files of {run_id}"
    files.mkdir()
    (files / "scores.json").write_text(json.dumps(SCORES))
    ledger.finish_trial(run_id, metrics, {"stop_reason": "max_steps"}, files, at=NOON)


def move(ledger: Ledger, run_id: str, driver: str, heartbeat: float) -> None:
    """Makes it another driver's run."""
    for name, value in (("driver", driver), ("heartbeat", str(heartbeat))):
        ledger.client.set_tag(run_id, name, value)


def active(ledger: Ledger) -> list[Run]:
    experiments = [experiment.experiment_id for experiment in ledger.client.search_experiments()]
    return list(ledger.client.search_runs(experiments))
