"""Recorded networks by the name that a user gives them: `runs:/`, `models:/` or `best:`."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pandas as pd
from mlflow.entities import Experiment, Run

from ablation.ledger import KIND, Ledger
from ablation.names import arm_name
from ablation.registry import registered_runs
from ablation.report.results import results_frame
from ablation.report.summary import chosen
from ablation.tables import ARM
from t1t2core.cohort.names import did_you_mean
from t1t2core.errors import InputError
from t1t2core.evaluation.scores import CLASSES
from t1t2core.settings import Sequence

FORMS = "runs:/ID, models:/NAME/VERSION or best:SPACE:CLASS"
OWN_EXPERIMENT = "Default"
"""MLflow's own; no space has it."""
NEAR_IDENTIFIER = 0.8
"""Likeness from which one identifier may be another, mistyped."""


@dataclass(frozen=True)
class Model:
    """Networks that label a scan together.

    Args:
        about: what was found, for the user.
        runs: finished trials, a network each.
        warnings: what the user should know before relying on it, a sentence each.
    """

    about: str
    runs: tuple[Run, ...]
    warnings: tuple[str, ...] = ()


def find_model(ledger: Ledger, name: str, sequence: Sequence) -> Model:
    """The networks that `name` stands for.

    Args:
        name: `runs:/ID`, `models:/NAME/VERSION` or `best:SPACE:CLASS`.
        sequence: `best` is the best on scans of this sequence.

    Raises:
        InputError: nothing recorded has this name; tells the nearest there is.
    """
    if match := re.fullmatch(r"runs:/(\w+)", name):
        runs = _runs(ledger, [match[1]], name)
        return Model(runs[0].info.run_name, runs)
    if match := re.fullmatch(r"models:/([^/]+)/(\d+)", name):
        runs = _runs(ledger, registered_runs(ledger, match[1], match[2]), name)
        return Model(f"{match[1]}, version {match[2]}", runs)
    if match := re.fullmatch(r"best:(.+):(\w+)", name):
        return best_model(ledger, match[1], match[2], sequence)
    raise InputError(f"{name}: a model is {FORMS}")


def best_model(ledger: Ledger, space: str, name: str, sequence: Sequence = "T2") -> Model:
    """The arm of a space that labels a class best: one network for each of its folds and seeds.

    That is the arm with the highest validation DSC of the class, mean over folds and seeds, each arm at
    its chosen learning rate; an undefined DSC counts as 0.

    Args:
        space: name of its experiment.
        name: of the class.
        sequence: of the validation scans.

    Raises:
        InputError: there is no such class or space, or nothing finished in it.
    """
    if name not in CLASSES:
        raise InputError(f"{name!r} is no class; there are {', '.join(CLASSES)}{did_you_mean(name, CLASSES)}")
    runs, warnings = space_runs(ledger, space)
    rows = chosen(results_frame(ledger.records(runs)))
    wanted = {"split": "validation", "weights": "best", "sequence": sequence, "class": name}
    for column, value in wanted.items():
        rows = rows[rows[column] == value]
    if rows.empty:
        raise InputError(f"no arm of {space} was scored on {sequence}w scans")
    by_id = {run.info.run_id: run for run in runs}
    arms = [_Arm(frame, by_id) for _, frame in rows.groupby(ARM, dropna=False, sort=False)]
    best, most = max(arms, key=lambda arm: arm.dice), max(len(arm.runs) for arm in arms)
    if len(best.runs) < most:
        warnings += (f"it has {len(best.runs)} of {most} folds and seeds so far",)
    dice = f"validation DSC of {name} {best.dice:.3f}, mean of {len(best.runs)}"
    return Model(f"{best.name} of {space}: {dice}", best.runs, warnings)


class _Arm:
    """An arm's rows of `results.csv` for one class: a row a fold and seed."""

    def __init__(self, rows: pd.DataFrame, runs: Mapping[str, Run]) -> None:
        first = rows.iloc[0]
        patients = "" if pd.isna(first["t2_train_size"]) else f", {first['t2_train_size']} T2w patients"
        self.name = arm_name(first["strategy"], first["tuned_layers"], first["fusion"]) + patients
        self.dice = float(rows["dsc"].fillna(0).mean())
        self.runs = tuple(runs[one] for one in rows.sort_values(["fold", "seed"])["mlflow_run_id"])


def space_runs(ledger: Ledger, space: str) -> tuple[list[Run], tuple[str, ...]]:
    """The finished trials of a space as it was run last, those reused from elsewhere too; and warnings.

    Raises:
        InputError: there is no such experiment, or nothing finished in it.
    """
    experiment = _experiment(ledger, space)
    plans = ledger.client.search_runs([experiment.experiment_id], f"tags.{KIND} = 'plan'")
    if not plans:
        raise InputError(f"experiment {space} has no trials of this program")
    # Without an end it is running now.
    plan = max(plans, key=lambda run: run.info.end_time or float("inf"))
    reused = set(re.findall(r"/runs/(\w+)\)", plan.data.tags.get("mlflow.note.content", "")))
    runs = [
        run
        for run in ledger.finished().values()
        if run.data.tags.get("mlflow.parentRunId") == plan.info.run_id or run.info.run_id in reused
    ]
    if not runs:
        raise InputError(f"no trial of {space} is finished")
    unfinished = plan.info.status != "FINISHED"
    return runs, (f"{space} is not finished: this is as it stands",) if unfinished else ()


def _experiment(ledger: Ledger, space: str) -> Experiment:
    found = {e.name: e for e in ledger.client.search_experiments() if e.name != OWN_EXPERIMENT}
    if space not in found:
        there = f"; there are {', '.join(sorted(found))}" if found else "; the record is empty"
        raise InputError(
            f"no experiment {space!r} in {ledger.tracking_uri}{did_you_mean(space, found)}{there}"
        )
    return found[space]


def _runs(ledger: Ledger, identifiers: Iterable[str], name: str) -> tuple[Run, ...]:
    finished = {run.info.run_id: run for run in ledger.finished().values()}
    return tuple(finished.get(one) or _refuse(ledger, one, name, finished) for one in identifiers)


def _refuse(ledger: Ledger, identifier: str, name: str, finished: Iterable[str]) -> Run:
    """Says why this is not the identifier of a finished trial."""
    experiments = ledger.client.search_experiments()
    found = [
        run
        for run in ledger.client.search_runs([e.experiment_id for e in experiments], max_results=50_000)
        if run.info.run_id == identifier
    ]
    if not found:
        near = did_you_mean(identifier, finished, cutoff=NEAR_IDENTIFIER)
        raise InputError(f"{name}: no run {identifier} in {ledger.tracking_uri}{near}")
    (run,) = found
    if run.data.tags.get(KIND) == "plan":
        space = next(e.name for e in experiments if e.experiment_id == run.info.experiment_id)
        raise InputError(
            f"{name}: run {identifier} is a whole plan; give one of its trials, or best:{space}:bone"
        )
    if run.data.tags.get(KIND) != "trial":
        raise InputError(f"{name}: run {identifier} ({run.info.run_name}) is no trial of this program")
    raise InputError(f"{name}: trial {identifier} ({run.info.run_name}) did not finish: {run.info.status}")
