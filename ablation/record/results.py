"""Recorded scores as tables: a row a trial, weights, split, sequence and class."""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

import pandas as pd

from ablation.names import FLOPS, GPUS, PARAMETERS, PEAK_MEMORY, STEPS
from ablation.record.settings import recorded_classes, setting_text
from ablation.record.trials import Record
from ablation.space.design import STUDY, Design
from ablation.space.factors import FACTORS, PRETRAINING_SEED
from ablation.space.naming import arm_names, is_external
from ablation.space.objectives import MEAN_DICE, objective_of
from ablation.space.points import ARCHITECTURE
from t1t2core.evaluation.calibration import Calibration
from t1t2core.evaluation.scores import METRICS, Counts
from t1t2core.evaluation.surface import SURFACE_METRICS
from t1t2core.settings import TARGET
from t1t2core.strategies import STRATEGIES, StrategyName

PROBABILITY = ("brier", "ece")
"""Of the probabilities of a test patient, in the box."""
BOX = "box"
"""Region of records that were made before there were any."""
WHAT = ["weights", "split", "sequence", "class"]
COUNTS = ["tp", "fp", "fn"]
COST = ["epochs", "stop_reason", "seconds_per_epoch", "total_seconds", "standalone_seconds", "peak_memory_mb"]
ORIGIN = ["encoder_digest", "cohort_fingerprint", "mlflow_run_id"]
RESULTS = [
    "trial_key",
    *FACTORS,
    *WHAT,
    *METRICS,
    *COUNTS,
    "patients",
    *COST,
    *ORIGIN,
    PRETRAINING_SEED,
    "region",
    "steps",
    "parameters",
    "flops",
]
"""Columns of `results.csv`; those of varied settings stand after them."""
PATIENTS = [
    "trial_key",
    *FACTORS,
    *WHAT,
    "patient",
    *METRICS,
    *COUNTS,
    *SURFACE_METRICS,
    PRETRAINING_SEED,
    "region",
    *PROBABILITY,
]
"""Columns of `patients.csv`; those of varied settings stand after them."""
NAMED = ["arm", "choice", "chosen_by", "chosen_in"]
"""Further columns of the frames: the arm's name; the number of its tuned values among all; the objective by
which they are chosen; and the fold in which they are chosen, 0 where they are chosen over all folds."""
TEXTS = ["strategy", "tuned_layers", "fusion"]
NUMBERS = {
    "t2_train_size": "Int64",
    "learning_rate": "float64",
    "fold": "Int64",
    "seed": "Int64",
    PRETRAINING_SEED: "Int64",
}


def results_frame(
    records: Collection[Record], design: Design = STUDY, objectives: Sequence[str] = ()
) -> pd.DataFrame:
    """`results.csv`: scores pooled over the patients of a split, and the columns `NAMED`.

    Tuned values are chosen by the first objective of a search, and in a grid by `evaluation.choose_by`, over
    all folds; but inside each fold where a patient who validates in one is tested in another.

    Args:
        design: of the plan that the records are of.
        objectives: of its search; none for a grid.
    """
    rows = [row | _varied(record, design) for record in records for row in _pooled(record)]
    chosen_by = objectives[0] if objectives else _choose_by(records)
    return _frame(rows, RESULTS, design, chosen_by, _is_rotated(records))


def patients_frame(records: Collection[Record], design: Design = STUDY) -> pd.DataFrame:
    """`patients.csv`: the same scores a patient, with surface distances where they were measured."""
    rows = [row | _varied(record, design) for record in records for row in _patients(record)]
    return _frame(rows, PATIENTS, design)


def with_arms(
    frame: pd.DataFrame, design: Design = STUDY, chosen_by: str = MEAN_DICE, *, in_folds: bool = False
) -> pd.DataFrame:
    """Return the frame with the columns `NAMED`, from those of its factors and varied settings.

    Args:
        chosen_by: objective by which tuned values are chosen.
        in_folds: whether each fold chooses its own.
    """
    tuned = [name for name in design.tuned if name in frame]
    # Equal scores leave the lowest value, so that numbers count as numbers, and nothing stands first.
    ranks = frame[tuned].apply(lambda values: _numeric(values).rank(method="dense")).fillna(0)
    choice = ranks.groupby(tuned, sort=True).ngroup() if tuned else 0
    chosen_in = frame["fold"] if in_folds else 0
    return frame.assign(arm=arm_names(frame, design), choice=choice, chosen_by=chosen_by, chosen_in=chosen_in)


def _choose_by(records: Iterable[Record]) -> str:
    """Return the objective of trials whose weights were chosen: that of the others means nothing."""
    ours = (one.params for one in records if not is_external(one.params["strategy"]))
    trained = (params for params in ours if STRATEGIES[cast(StrategyName, params["strategy"])].trains)
    params = next(trained, None)
    if params is None:
        return MEAN_DICE
    return objective_of(setting_text(params, "evaluation.choose_by"), recorded_classes(params))


def _is_rotated(records: Iterable[Record]) -> bool:
    """Return whether target patients who validate in one fold are tested in another."""
    patients: dict[str, set[str]] = {"validation": set(), "test": set()}
    for record in records:
        if record.params.get("cohort.test_patients") == "rotated":
            return True
        for score in record.scores:
            if score["sequence"] == TARGET:
                patients[score["split"]].add(score["patient"])
    return not patients["validation"].isdisjoint(patients["test"])


def _numeric(values: pd.Series) -> pd.Series:
    """Numbers as they are, other texts by the alphabet after them."""
    numbers = pd.to_numeric(values, errors="coerce")
    texts = values.where(numbers.isna() & values.notna() & values.ne(""))
    return numbers.fillna(numbers.max() + texts.rank(method="dense")) if texts.notna().any() else numbers


def _frame(
    rows: list[dict[str, Any]],
    columns: list[str],
    design: Design,
    chosen_by: str = MEAN_DICE,
    in_folds: bool = False,
) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=[*columns, *design.settings]).astype(NUMBERS)
    # One type for a column whether a strategy has the factor or not: joins rely on it.
    texts = [*TEXTS, *design.settings]
    frame = frame.assign(**{name: frame[name].fillna("").astype("str") for name in texts})
    return with_arms(frame, design, chosen_by, in_folds=in_folds)


def _varied(record: Record, design: Design) -> dict[str, str]:
    """Return the varied settings of a trial as they are shown, without those that do not count for it."""
    if is_external(record.params["strategy"]):
        return {}
    strategy = STRATEGIES[cast(StrategyName, record.params["strategy"])]
    architecture = setting_text(record.params, ARCHITECTURE)
    return {
        name: setting_text(record.params, name)
        for name in design.settings
        if strategy.counts(name, architecture)
    }


def _pooled(record: Record) -> Iterator[dict[str, Any]]:
    groups: dict[tuple[str, str, str, str], list[dict[str, Any]]] = {}
    for score in record.scores:
        group = score["weights"], score["split"], score["sequence"], score.get("region", BOX)
        groups.setdefault(group, []).append(score["counts"])
    for (weights, split, sequence, region), patients in groups.items():
        for name in patients[0]:
            counts = sum((Counts(**counts[name]) for counts in patients), Counts(0, 0, 0))
            what = {"weights": weights, "split": split, "sequence": sequence, "class": name, "region": region}
            yield {**_trial(record), **what, **_scores(counts), "patients": len(patients), **_cost(record)}


def _patients(record: Record) -> Iterator[dict[str, Any]]:
    for score in record.scores:
        for name in score["counts"]:
            what = {key: score[key] for key in ("weights", "split", "sequence", "patient")}
            surface = (score["surface"] or {}).get(name, {})
            calibration = (score.get("calibration") or {}).get(name)
            yield {
                **_trial(record),
                **what,
                "class": name,
                "region": score.get("region", BOX),
                **_scores(Counts(**score["counts"][name])),
                **surface,
                **(_probability(calibration) if calibration else {}),
            }


def _probability(calibration: dict[str, Any]) -> dict[str, float]:
    found = Calibration(**calibration)
    return {name: getattr(found, name) for name in PROBABILITY}


def _trial(record: Record) -> dict[str, Any]:
    factors = {name: record.params.get(name) for name in (*FACTORS, PRETRAINING_SEED)}
    return {"trial_key": record.tags["trial_key"], **factors}


def _scores(counts: Counts) -> dict[str, Any]:
    return {name: getattr(counts, name) for name in (*METRICS, *COUNTS)}


def shared_its_gpu(record: Record) -> bool:
    """Return whether others ran beside a trial on its GPU: what it would take alone is not known then."""
    return 0 < float(record.tags.get(GPUS, 0)) < 1


def _cost(record: Record) -> Mapping[str, Any]:
    tags, metrics = record.tags, record.metrics
    is_alone = not shared_its_gpu(record)
    return {
        "epochs": int(metrics["time/epochs"]),
        "stop_reason": tags["stop_reason"],
        "seconds_per_epoch": metrics["time/seconds_per_epoch"] if is_alone else math.nan,
        "total_seconds": metrics["time/total_seconds"],
        "standalone_seconds": metrics["time/standalone_seconds"] if is_alone else math.nan,
        "peak_memory_mb": metrics.get(PEAK_MEMORY),
        "parameters": metrics.get(PARAMETERS),
        "flops": metrics.get(FLOPS),
        "steps": metrics.get(STEPS),
        "encoder_digest": tags["encoder_digest"],
        "cohort_fingerprint": tags["cohort_fingerprint"],
        "mlflow_run_id": record.run_id,
    }
