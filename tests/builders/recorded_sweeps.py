"""Sweeps in a real record that nobody trained: for what is told from the record alone."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.utils.file_utils import local_file_uri_to_path

from ablation.names import PLAN_FILE, SPACE_FILE
from ablation.record.ledger import Ledger
from ablation.record.plan_record import PlanRecord, read_plan
from ablation.record.runs import Measured
from ablation.space.factors import FACTORS

CLASSES = ("bone", "soft_tissue", "air", "internal_air")
SPACE = "arms:\n  - strategy: open\n"
COSTS = {"epochs": 3.0, "seconds_per_epoch": 2.0, "total_seconds": 9.0, "standalone_seconds": 8.0}


def factors(strategy: str, layers: str | None = None, *, fold: int = 1) -> dict[str, Any]:
    """Of a trial: it has those that its strategy has."""
    tuned = {"t2_train_size": 8, "learning_rate": 0.001, "seed": 0} if strategy != "no_fine_tuning" else {}
    return {"strategy": strategy, "tuned_layers": layers, "fusion": None, **tuned, "fold": fold}


def add_sweep(
    ledger: Ledger,
    planned: Sequence[Mapping[str, Any]],
    *,
    unfinished: int = 0,
    failed: Mapping[str, str] | None = None,
    space: str = "sweep",
    tags: Mapping[str, str] | None = None,
    absent: str = "",
) -> PlanRecord:
    """Records these trials but the last `unfinished`, and gives the plan as a report reads it.

    Args:
        failed: cause by name, of more trials that failed.
        absent: a class without any voxel, true or predicted.
    """
    experiment = ledger.experiment(space)
    all_tags = {"cohort": "clinic", "preset": "paper", "simulated": "False", **(tags or {})}
    parent = ledger.open_plan(experiment, f"plan of {space}", space, all_tags)
    keys = [f"{space} {place}" for place in range(len(planned))]
    rows = [{"trial_key": key, **one} for key, one in zip(keys, planned, strict=True)]
    plan = pd.DataFrame(rows, columns=["trial_key", *FACTORS])
    files = {PLAN_FILE: plan.to_csv(index=False).encode(), SPACE_FILE: SPACE.encode()}
    ledger.keep_files(parent, files)
    for place, (key, one) in enumerate(list(zip(keys, planned, strict=True))[: len(planned) - unfinished]):
        run_id = _start(ledger, experiment, parent, key, one)
        _finish(ledger, run_id, 100 + 10 * place, absent)
    for name, cause in (failed or {}).items():
        run_id = _start(ledger, experiment, parent, name, factors("open"))
        ledger.fail_trial(run_id, cause, f"Traceback\n{cause}")
    ledger.close_plan(parent, "FINISHED", f"{len(planned)} trials")
    return read_plan(ledger, space)


def _start(ledger: Ledger, experiment: str, parent: str, key: str, one: Mapping[str, Any]) -> str:
    params = {name: value for name, value in one.items() if value is not None}
    tags = {"trial_key": key, "encoder_digest": "digest", "cohort_fingerprint": "print"}
    return ledger.start_trial(experiment, parent, key, params=params, tags=tags)


def _finish(ledger: Ledger, run_id: str, hits: int, absent: str) -> None:
    """`scores.json` of three patients who differ, curves and cost."""
    scores = [
        {
            "weights": "best",
            "split": split,
            "sequence": "T2",
            "patient": f"{'sub' if split == 'test' else 'val'}-{patient:02}",
            "counts": {name: _counts(hits + 7 * patient, name == absent) for name in CLASSES},
            "surface": None,
        }
        for split in ("validation", "test")
        for patient in (1, 2, 3)
    ]
    file = Path(local_file_uri_to_path(ledger.client.get_run(run_id).info.artifact_uri)) / "scores.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(scores), encoding="utf-8")
    for epoch in (1, 2, 3):
        dice = {f"validation/{name}/dsc": 0.2 * epoch for name in CLASSES}
        ledger.log(run_id, [Measured({"train/loss": 1 / epoch, **dice}, epoch, float(epoch))])
    metrics = {f"time/{name}": value for name, value in COSTS.items()}
    dice = {f"{split}/{name}/dsc": hits / 200 for split in ("test", "best_validation") for name in CLASSES}
    ledger.log(run_id, [Measured({**metrics, **dice}, 3, 4.0)])
    ledger.client.set_tag(run_id, "stop_reason", "max_steps")
    ledger.client.set_terminated(run_id, "FINISHED")


def _counts(hits: int, absent: bool) -> dict[str, int]:
    return {"tp": 0, "fp": 0, "fn": 0} if absent else {"tp": hits, "fp": 60, "fn": 90}
