"""What a finished trial leaves, as files: written by the worker, delivered to the record by the driver.

They wait in storage under `outcomes/KEY/`, so that nothing is lost when the driver dies in between.
`scores.json` is written last: where it is, the others are.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ablation.names import (
    ENCODER_DIGEST,
    EPOCHS,
    FLOPS,
    HARDWARE,
    PARAMETERS,
    PEAK_MEMORY,
    SCORES,
    SECONDS_PER_EPOCH,
    STANDALONE_SECONDS,
    STEPS,
    STOP_REASON,
    TOTAL_SECONDS,
    TRIAL_KEY,
    WEIGHTS_FILE,
)
from ablation.plan.plan import Trial
from ablation.plan.trial_result import TrialResult
from ablation.store.storage import Storage
from t1t2core.evaluation.pictures import cut_slices, draw_confusion, draw_slices
from t1t2core.evaluation.scores import METRICS
from t1t2core.evaluation.slices import SLICES, pack_slices
from t1t2core.experiment import Outcome, PatientScore, pool
from t1t2core.network.weights import pack_weights
from t1t2core.settings import SOURCE, TARGET
from t1t2core.settings.classes import STUDY_CLASSES
from t1t2core.strategies.staged import AnyExperiment

FOLDER = "outcomes"
SUMMARY = "summary.json"


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Time and memory that a trial took.

    Args:
        total_seconds: here.
        standalone_seconds: what it would take alone, with nothing shared.
        peak_memory_mb: of its process on a CPU, of its tensors on a GPU.
        hardware: kind of machine that it was run on.
    """

    total_seconds: float
    standalone_seconds: float
    peak_memory_mb: float
    hardware: str


def write_outcome(
    storage: Storage,
    trial: Trial,
    experiment: AnyExperiment,
    outcome: Outcome,
    cost: Cost,
    history: list[dict[str, float]],
) -> None:
    """Put the files of a finished trial into storage; `history` has the metrics of each epoch."""
    about = {TRIAL_KEY: trial.key, ENCODER_DIGEST: trial.encoder or ""}
    predictions = outcome.predictions
    scans = {(sequence, name): experiment.scans[sequence].test[name] for sequence, name in predictions}
    classes = next((scan.classes for scan in scans.values()), STUDY_CLASSES)
    slices = cut_slices(scans, predictions, experiment.evaluation.pictures)
    files = {
        WEIGHTS_FILE: pack_weights(outcome.weights, about),
        "confusion_matrix.png": draw_confusion(scans, predictions),
        **draw_slices(slices, classes),
        SLICES: pack_slices(slices),
        SUMMARY: _json({**_summary(outcome, cost), "history": history}),
        SCORES: _json([asdict(score) for score in outcome.scores]),
    }
    for name, content in files.items():
        storage.write(f"{FOLDER}/{trial.key}/{name}", content)


def fetch_outcome(storage: Storage, key: str, folder: Path) -> dict[str, Any]:
    """Copy the files into `folder` and return the summary; they stay in storage."""
    for name in storage.names(f"{FOLDER}/{key}"):
        (folder / Path(name).name).write_bytes(storage.read(name))
    summary = folder / SUMMARY
    content = json.loads(summary.read_text(encoding="utf-8"))
    summary.unlink()
    return content


def read_result(storage: Storage, key: str) -> TrialResult:
    """Return what a finished trial scored, from the files that wait to be recorded."""
    summary, scores = (json.loads(storage.read(f"{FOLDER}/{key}/{name}")) for name in (SUMMARY, SCORES))
    return TrialResult(summary["metrics"], scores)


def has_outcome(storage: Storage, key: str) -> bool:
    """Whether a worker has finished this trial and its files wait to be recorded."""
    return storage.has(f"{FOLDER}/{key}/{SCORES}")


def remove_outcome(storage: Storage, key: str) -> None:
    """Remove the files once they are recorded, the one that makes them count first."""
    names = storage.names(f"{FOLDER}/{key}")
    for name in sorted(names, key=lambda name: not name.endswith(SCORES)):
        storage.delete(name)


def score_metrics(scores: list[PatientScore]) -> dict[str, float]:
    """Return pooled metrics by the names that the record has for them."""
    prefixes = {
        ("validation", "best", "box"): "best_validation",
        ("test", "best", "box"): "test",
        ("test", "last", "box"): "test_last",
        ("test", "best", "whole"): "test_whole",
    }
    metrics = {}
    for (split, weights, region), prefix in prefixes.items():
        for sequence in (TARGET, SOURCE):
            wanted = split, weights, sequence, region
            chosen = [s.counts for s in scores if (s.split, s.weights, s.sequence, s.region) == wanted]
            suffix = "" if sequence == TARGET else "_T1"
            for name, counts in pool(chosen).items() if chosen else ():
                for metric in METRICS:
                    metrics[f"{prefix}{suffix}/{name}/{metric}"] = getattr(counts, metric)
    return metrics


def _summary(outcome: Outcome, cost: Cost) -> dict[str, Any]:
    seconds = outcome.epoch_seconds
    metrics = {
        **score_metrics(outcome.scores),
        EPOCHS: outcome.epochs,
        SECONDS_PER_EPOCH: sum(seconds) / len(seconds) if seconds else 0.0,
        TOTAL_SECONDS: cost.total_seconds,
        STANDALONE_SECONDS: cost.standalone_seconds,
        PEAK_MEMORY: cost.peak_memory_mb,
        PARAMETERS: outcome.parameters,
        FLOPS: outcome.flops,
        STEPS: outcome.steps,
    }
    finite = {name: value for name, value in metrics.items() if value == value}
    return {"metrics": finite, STOP_REASON: outcome.stop_reason, HARDWARE: cost.hardware}


def _json(content: Any) -> bytes:
    return json.dumps(content).encode()
