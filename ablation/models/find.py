"""Recorded networks by the name that a user gives them: `runs:/`, `models:/` or `best:`."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd
from mlflow.entities import Run

from ablation.models.registry import registered_runs
from ablation.names import KIND, KIND_PLAN, KIND_TRIAL
from ablation.record.ledger import Ledger
from ablation.record.plan_record import PlanRecord, read_plan
from ablation.record.results import results_frame
from ablation.record.selection import select
from ablation.record.settings import recorded_classes
from ablation.report.tables.choice import as_chosen, chosen
from ablation.space.factors import REPLICATED
from ablation.space.naming import SIZE_IN_NAME
from t1t2core.cohort.names import did_you_mean
from t1t2core.errors import InputError
from t1t2core.settings import TARGET, Sequence

FORMS = "runs:/ID, models:/NAME/VERSION or best:SPACE:CLASS"
NEAR_IDENTIFIER = 0.8
"""Likeness from which one identifier may be another, mistyped."""


@dataclass(frozen=True)
class Model:
    """Networks that label a scan together.

    Args:
        about: what was found, for the user.
        runs: finished trials, a network each.
        warnings: what the user should know before relying on it, a sentence each.
        arm: its name, where the networks are those of an arm.
        choice: how its tuned values were chosen, in words.
    """

    about: str
    runs: tuple[Run, ...]
    warnings: tuple[str, ...] = ()
    arm: str = ""
    choice: str = ""


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
        return best_model(ledger, read_plan(ledger, match[1]), match[2], sequence)
    raise InputError(f"{name}: a model is {FORMS}")


def best_model(ledger: Ledger, plan: PlanRecord, name: str, sequence: Sequence = TARGET) -> Model:
    """The arm of a plan that labels a class best: one network for each of its folds and seeds.

    That is the arm with the highest validation DSC of the class, mean over folds and seeds; an undefined DSC
    counts as 0. The learning rate of each arm, and what else is tuned, is chosen as in the report.

    Args:
        name: of the class.
        sequence: of the validation scans.

    Raises:
        InputError: there is no such class, or nothing is finished.
    """
    check_asked(plan, name)
    warnings = unfinished(plan)
    results = results_frame(plan.records, plan.design, plan.objectives)
    rows = select(chosen(results), split="validation", sequence=sequence, tissue=name)
    if rows.empty:
        raise InputError(f"no arm of {plan.space} was scored on {sequence}w scans")
    arms = [_Arm(frame) for _, frame in rows.groupby("arm", sort=False)]
    best, most = max(arms, key=lambda arm: arm.dice), max(len(arm.run_ids) for arm in arms)
    if len(best.run_ids) < most:
        warnings.append(f"it has {len(best.run_ids)} of {most} folds and seeds so far")
    dice = f"validation DSC of {name} {best.dice:.3f}, mean of {len(best.run_ids)}"
    runs = tuple(ledger.run(one) for one in best.run_ids)
    about = f"{best.name} of {plan.space}: {dice}"
    return Model(about, runs, tuple(warnings), best.arm, as_chosen(results))


def check_asked(plan: PlanRecord, name: str) -> None:
    """Refuse what is no class, and a plan of which nothing can be said.

    Raises:
        InputError: there is no such class, or nothing is finished.
    """
    if not plan.records:
        raise InputError(f"no trial of {plan.space} is finished")
    classes = recorded_classes(plan.records[0].params).scored
    if name not in classes:
        raise InputError(f"{name!r} is no class; there are {', '.join(classes)}{did_you_mean(name, classes)}")


def unfinished(plan: PlanRecord) -> list[str]:
    """Say how much of a plan is missing; nothing where it is whole."""
    if not plan.missing:
        return []
    trials = f"{plan.missing} of {len(plan.plan)} trials of {plan.space}"
    return [f"{trials} are not finished: this is as it stands"]


class _Arm:
    """An arm's rows of `results.csv` for one class: a row a fold and seed."""

    def __init__(self, rows: pd.DataFrame) -> None:
        first = rows.iloc[0]
        patients = "" if pd.isna(first["t2_train_size"]) else f", {first['t2_train_size']} patients"
        self.arm = re.sub(SIZE_IN_NAME, "", first["arm"])
        self.name = self.arm + patients
        self.dice = float(rows["dsc"].fillna(0).mean())
        self.run_ids = list(rows.sort_values(REPLICATED)["mlflow_run_id"])


def _runs(ledger: Ledger, identifiers: Iterable[str], name: str) -> tuple[Run, ...]:
    return tuple(_run(ledger, identifier, name) for identifier in identifiers)


def _run(ledger: Ledger, identifier: str, name: str) -> Run:
    """The finished trial of this identifier; `name` is what the user called it."""
    if not ledger.has_run(identifier):
        known = [run.info.run_id for run in ledger.finished().values()]
        near = did_you_mean(identifier, known, cutoff=NEAR_IDENTIFIER)
        raise InputError(f"{name}: no run {identifier} in {ledger.tracking_uri}{near}")
    run = ledger.run(identifier)
    kind, shown = run.data.tags.get(KIND), f"{name}: run {identifier} ({run.info.run_name})"
    if kind == KIND_PLAN:
        space = ledger.experiment_name(run.info.experiment_id)
        raise InputError(f"{shown} is a whole plan; give one of its trials, or best:{space}:CLASS")
    if kind != KIND_TRIAL:
        raise InputError(f"{shown} is no trial of this program")
    if run.info.status != "FINISHED":
        raise InputError(f"{shown} did not finish: {run.info.status}")
    return run
