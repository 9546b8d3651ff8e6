"""Recorded scores as tables: a row a trial, weights, split, sequence and class."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pandas as pd

from ablation.record.trials import Record
from ablation.space.factors import FACTORS
from t1t2core.evaluation.scores import CLASSES, METRICS, Counts
from t1t2core.evaluation.surface import SURFACE_METRICS

WHAT = ["weights", "split", "sequence", "class"]
COUNTS = ["tp", "fp", "fn"]
COST = ["epochs", "stop_reason", "seconds_per_epoch", "total_seconds", "standalone_seconds", "peak_memory_mb"]
ORIGIN = ["encoder_digest", "cohort_fingerprint", "mlflow_run_id"]
RESULTS = ["trial_key", *FACTORS, *WHAT, *METRICS, *COUNTS, "patients", *COST, *ORIGIN]
PATIENTS = ["trial_key", *FACTORS, *WHAT, "patient", *METRICS, *COUNTS, *SURFACE_METRICS]
TEXTS = ["strategy", "tuned_layers", "fusion"]
NUMBERS = {"t2_train_size": "Int64", "learning_rate": "float64", "fold": "Int64", "seed": "Int64"}


def results_frame(records: Iterable[Record]) -> pd.DataFrame:
    """`results.csv`: scores pooled over the patients of a split."""
    return _frame([row for record in records for row in _pooled(record)], RESULTS)


def patients_frame(records: Iterable[Record]) -> pd.DataFrame:
    """`patients.csv`: the same scores a patient, with surface distances where they were measured."""
    return _frame([row for record in records for row in _patients(record)], PATIENTS)


def _frame(rows: list[dict[str, Any]], columns: list[str]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=columns).astype(NUMBERS)
    # One type for a column whether a strategy has the factor or not: joins rely on it.
    return frame.assign(**{name: frame[name].fillna("").astype("str") for name in TEXTS})


def _pooled(record: Record) -> Iterator[dict[str, Any]]:
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for score in record.scores:
        groups.setdefault((score["weights"], score["split"], score["sequence"]), []).append(score["counts"])
    for (weights, split, sequence), patients in groups.items():
        for name in CLASSES:
            counts = sum((Counts(**counts[name]) for counts in patients), Counts(0, 0, 0))
            what = {"weights": weights, "split": split, "sequence": sequence, "class": name}
            yield {**_trial(record), **what, **_scores(counts), "patients": len(patients), **_cost(record)}


def _patients(record: Record) -> Iterator[dict[str, Any]]:
    for score in record.scores:
        for name in CLASSES:
            what = {key: score[key] for key in ("weights", "split", "sequence", "patient")}
            surface = (score["surface"] or {}).get(name, {})
            yield {
                **_trial(record),
                **what,
                "class": name,
                **_scores(Counts(**score["counts"][name])),
                **surface,
            }


def _trial(record: Record) -> dict[str, Any]:
    return {"trial_key": record.tags["trial_key"], **{name: record.params.get(name) for name in FACTORS}}


def _scores(counts: Counts) -> dict[str, Any]:
    return {name: getattr(counts, name) for name in (*METRICS, *COUNTS)}


def _cost(record: Record) -> Mapping[str, Any]:
    tags, metrics = record.tags, record.metrics
    return {
        "epochs": int(metrics["time/epochs"]),
        "stop_reason": tags["stop_reason"],
        "seconds_per_epoch": metrics["time/seconds_per_epoch"],
        "total_seconds": metrics["time/total_seconds"],
        "standalone_seconds": metrics["time/standalone_seconds"],
        "peak_memory_mb": metrics.get("memory/peak_mb"),
        "encoder_digest": tags["encoder_digest"],
        "cohort_fingerprint": tags["cohort_fingerprint"],
        "mlflow_run_id": record.run_id,
    }
