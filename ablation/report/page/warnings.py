"""What must be known before anything on the page is read."""

import pandas as pd

from ablation.names import HARDWARE
from ablation.record.plan_record import PlanRecord
from ablation.record.results import shared_its_gpu
from ablation.record.selection import select
from ablation.report.page.conclusions import shortened
from ablation.report.study.texts import OTHER_MACHINES
from ablation.report.tables.choice import is_in_folds
from ablation.report.tables.edges import edges
from ablation.space.naming import external_strategy, is_external
from t1t2core.settings import TARGET
from t1t2core.strategies import STRATEGIES


def page_warnings(record: PlanRecord, results: pd.DataFrame) -> list[str]:
    """A sentence or two each: the state of the sweep, the scans, and what tilts choices and scores."""
    warnings = []
    if record.simulated:
        warnings.append(
            "The heads are simulated: these scores show that the system works. Comparing them with the "
            "values of the study, or of anybody's patients, means nothing."
        )
    if record.missing:
        warnings.append(
            f"The sweep is not finished: {record.finished} of {len(record.plan)} trials are recorded, "
            "and arms may have different folds. Re-run the same command to resume."
        )
    if record.pruned:
        warnings.append(
            f"Trials that were pruned: {record.pruned}. The arms that lack folds for it are named under The "
            "search; they stand in no comparison."
        )
    warnings += record.scan_warnings
    if record.failed:
        warnings.append(f"Trials that failed, named under Failures: {len(record.failed)}.")
    return [
        *warnings,
        *_external(record),
        *_leaks(record, results),
        *_rotated(record, results),
        *edge_warnings(record, results),
        *_shared_gpus(record),
        *_machines(record),
    ]


def edge_warnings(record: PlanRecord, results: pd.DataFrame) -> list[str]:
    """Name the arms whose tuned factors were chosen at the edge of what was tried; a sentence a factor."""
    told = []
    for name, rows in edges(results, record.design).groupby("factor", sort=False):
        parts = [
            f"the {end} ({value:g}) by {shortened(part['arm'].tolist())}"
            for (end, value), part in rows.groupby(["edge", "value"], sort=False)
        ]
        factor = str(name).rpartition(".")[2].replace("_", " ")
        told.append(
            f"A better {factor} may lie outside of what was tried. Chosen at its edge: {'; '.join(parts)}."
        )
    return told


def _external(record: PlanRecord) -> list[str]:
    """Tell what was not trained here."""
    return [
        f"{external_strategy(arm.name)}: label maps that something else made, from {arm.folder} "
        f"({len(arm.scores)} test patients, content {arm.digest[:12]}). They were scored here, on the same "
        "test patients and at the same voxels as the other arms; the way there from the voxels of the scans, "
        "where these are finer, costs them a little. They have no validation scores, so no class "
        "can have this arm as its best by validation, and nothing is known of what they cost or were "
        "trained on."
        for arm in record.external_arms
    ]


def _leaks(record: PlanRecord, results: pd.DataFrame) -> list[str]:
    """Tell fold by fold how many target patients trained the pretrained network, where arms start from it."""
    ours = [name for name in results["strategy"].unique() if not is_external(name)]
    starts = {str(name): STRATEGIES[name].starts_pretrained for name in ours}
    if not any(starts.values()):
        return []
    told: list[str] = []
    sequences = record.sequences
    if leaked := _trained_t1(record, results, "validation"):
        fresh = [name for name, pretrained in starts.items() if not pretrained]
        tilt = (
            f" This favours arms that start from it over {' and '.join(fresh)} when validation chooses."
            if fresh
            else " Validation scores are a little too good for it."
        )
        told.append(
            f"{sequences.target} validation patients whose {sequences.source} scans trained the pretrained "
            f"network: {leaked}.{tilt}"
        )
    if leaked := _trained_t1(record, results, "test"):
        told.append(
            f"{sequences.target} test patients whose {sequences.source} scans trained the pretrained "
            f"network: {leaked}. Their test scores are too good for arms that start from it."
        )
    return told


def _trained_t1(record: PlanRecord, results: pd.DataFrame, split: str) -> str:
    """`2 of 3 in fold 1, 1 of 3 in fold 2`; '' where there are none in any fold, or none are known."""
    rows = select(results, split=split, sequence=TARGET)
    numbers = rows.groupby("fold")["patients"].max()
    tag = f"t2_{split}_in_t1_training"
    leaked = {fold: int(record.tags.get(f"overlap.fold_{fold}.{tag}", 0)) for fold in numbers.index}
    if not any(leaked.values()):
        return ""
    return ", ".join(f"{leaked[fold]} of {number:g} in fold {fold}" for fold, number in numbers.items())


def _rotated(record: PlanRecord, results: pd.DataFrame) -> list[str]:
    """Where each patient is tested once, what is chosen over folds is not blind to the test patients."""
    if results.empty or not is_in_folds(results):
        return []
    search = ", and of which candidates a search samples" if record.objectives else ""
    return [
        "Test patients rotate: a patient who is tested in one fold validates in another. So tuned values are "
        "chosen inside each fold, by its own validation patients alone. The choice of the best arm of a class"
        f"{search} is over all folds, and the test score of that arm is a little too good."
    ]


def _shared_gpus(record: PlanRecord) -> list[str]:
    """Tell of trials whose time is not that which they would take alone."""
    shared = sum(shared_its_gpu(run) for run in record.records)
    if not shared:
        return []
    return [
        f"{_trials(shared)} of {len(record.records)} had others beside them on a GPU. What such a trial "
        "would take alone is not known; figures and tables of time leave it out. "
        "`resources: {gpus: 1}` gives each trial a GPU to itself."
    ]


def _machines(record: PlanRecord) -> list[str]:
    """Tell of trials that ran on different kinds of machine."""
    machines = machines_of(record)
    if len(machines) < 2:
        return []
    told = "; ".join(f"{name} ({_trials(number)})" for name, number in machines.items())
    much = OTHER_MACHINES if record.classes.is_study else ""
    return [
        f"Trials ran on {len(machines)} kinds of machine: {told}. Scores differ between processor types"
        f"{much}, so that a difference between arms may be one between machines."
    ]


def machines_of(record: PlanRecord) -> dict[str, int]:
    """Return the kinds of machine that trials ran on, with the number of trials."""
    found = pd.Series([run.tags.get(HARDWARE, "unknown") for run in record.records], dtype="str")
    return {str(name): int(number) for name, number in found.value_counts(sort=False).items()}


def _trials(number: int) -> str:
    return f"{number} trial" if number == 1 else f"{number} trials"
