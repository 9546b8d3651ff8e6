"""The tables that a run writes beside its results: the plan and the subjects."""

import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd
from rich.table import Table

from ablation.plan.plan import PlannedTrial, Trial, is_recorded
from ablation.space.design import Design
from ablation.space.factors import FACTORS, PRETRAINING_SEED
from ablation.space.naming import arm_names
from t1t2core.cohort.check import subject_notes
from t1t2core.cohort.participants import recorded_columns
from t1t2core.cohort.roles import ROLES, FoldSplit
from t1t2core.cohort.subject import Cohort
from t1t2core.files import write_atomically
from t1t2core.preparation.prepare import PreparedSubject
from t1t2core.settings import SOURCE, TARGET

PLAN = ["trial_key", *FACTORS, "status", "estimated_seconds", PRETRAINING_SEED]
"""Columns of `plan.csv`; those of varied settings stand after them."""
NOT_OF_POINTS = ("trial_key", "status", "estimated_seconds")
"""Columns that are no factor nor setting."""
PRUNED_STATUS = "pruned"
"""Status of a trial of a search that never ran to an end, by rule."""
WHOLE_NUMBERS = {"t2_train_size": "Int64", "fold": "Int64", "seed": "Int64", PRETRAINING_SEED: "Int64"}

WARNINGS = "warnings"
"""Column of `subjects.csv`."""
PARTICIPANT = "participant_"
"""What the names of columns of `subjects.csv` begin with that are from the cohort's own table."""
BETWEEN_WARNINGS = " | "
MOST_NAMES = 5
"""Subjects that a line of warnings names."""
MEASURES = {"learning_rate": "float64", "estimated_seconds": "float64"}


def plan_frame(
    plan: Sequence[PlannedTrial],
    recorded: Collection[str],
    seconds: Sequence[float],
    settings: Sequence[str] = (),
) -> pd.DataFrame:
    """Return `plan.csv`: a row a trial.

    Args:
        seconds: the estimate for each.
        settings: that the space varies, by dotted name; a column each.
    """
    rows = [
        {
            "trial_key": trial.key if isinstance(trial, Trial) else None,
            **trial.factors,
            "status": "recorded" if is_recorded(trial, recorded) else "to_run",
            "estimated_seconds": round(estimate, 1),
        }
        for trial, estimate in zip(plan, seconds, strict=True)
    ]
    # As objects, or a depth of 9 beside none would be 9.0.
    frame = pd.DataFrame(rows, columns=[*PLAN, *settings], dtype=object)
    return frame.astype({**WHOLE_NUMBERS, **MEASURES})


def read_plan_frame(content: bytes) -> pd.DataFrame:
    """Return what `plan.csv` has; one written before there were pretraining seeds lacks their column."""
    columns = pd.read_csv(io.BytesIO(content), nrows=0)
    # As texts from the start: beside an empty one a 2 would be read as 2.0.
    settings = {str(name): "str" for name in columns if "." in str(name)}
    frame = pd.read_csv(io.BytesIO(content), dtype=settings)
    whole = {name: kind for name, kind in WHOLE_NUMBERS.items() if name in frame}
    return frame.fillna(dict.fromkeys(settings, "")).astype(whole)


def render_plan(plan: pd.DataFrame, design: Design, title: str) -> Table:
    """Return the plan for the terminal: an arm and training size a row."""
    table = Table(title=f"{title}: what would run", title_justify="left")
    for name in ("arm", "patients", "trials", "to run", "seconds a trial"):
        table.add_column(name, justify="left" if name == "arm" else "right")
    for arm, rows in plan.assign(arm=arm_names(plan, design)).groupby("arm", sort=False):
        seconds, size = rows["estimated_seconds"].mean(), rows["t2_train_size"].iloc[0]
        to_run = (rows["status"] == "to_run").sum()
        table.add_row(
            str(arm), "" if pd.isna(size) else str(size), str(len(rows)), str(to_run), f"{seconds:.1f}"
        )
    return table


def subjects_frame(
    cohort: Cohort,
    splits: Sequence[FoldSplit],
    prepared: Mapping[str, PreparedSubject],
    warnings: Mapping[str, Sequence[str]],
) -> pd.DataFrame:
    """Return `subjects.csv`: sequences, roles, quality of the alignment, slices, volumes and warnings.

    Who was left out has a row with the reason alone. What else is known of the patients stands last.

    Args:
        warnings: of each subject, by name (see `subject_warnings`).
    """
    rows: list[dict[str, object]] = []
    left_out, columns = _left_out(cohort), recorded_columns(cohort.subjects)
    for subject in cohort.subjects:
        row: dict[str, object] = {
            "subject": subject.name,
            "sequences": f"{SOURCE} {TARGET}" if subject.t2w else SOURCE,
        }
        for split in splits:
            row[f"fold_{split.fold}_T1"] = _role(split.t1, subject.name)
            row[f"fold_{split.fold}_T2"] = _role(split.t2, subject.name)
        volumes = prepared[subject.name]
        for sequence, alignment in volumes.alignment.items():
            row |= {f"{sequence}_alignment_{name}": value for name, value in _flat(asdict(alignment)).items()}
            first, last = volumes.scan(SOURCE if sequence == SOURCE else TARGET).slices_mm
            row |= {
                f"{sequence}_first_slice_mm": round(first, 2),
                f"{sequence}_last_slice_mm": round(last, 2),
            }
            row |= {f"{sequence}_{name}_ml": value for name, value in volumes.volumes_ml[sequence].items()}
        told = [*warnings.get(subject.name, ()), *left_out.pop(subject.name, [])]
        known = {f"{PARTICIPANT}{name}": subject.characteristics.get(name, "") for name in columns}
        rows.append({**row, WARNINGS: BETWEEN_WARNINGS.join(told), **known})
    rows += [{"subject": name, WARNINGS: BETWEEN_WARNINGS.join(told)} for name, told in left_out.items()]
    frame = pd.DataFrame(rows)
    stand_last = [f"{PARTICIPANT}{name}" for name in columns]
    return frame[[*frame.columns.difference(stand_last, sort=False), *stand_last]]


def _left_out(cohort: Cohort) -> dict[str, list[str]]:
    """Return why subjects, or their target scans, are not in the cohort, by name."""
    told: dict[str, list[str]] = {}
    for what, why in cohort.left_out.items():  # `sub-01`, or `FLAIR of sub-01`
        kind, _, name = what.rpartition(" of ")
        told.setdefault(name, []).append(f"{kind} left out: {why}".strip())
    return told


def subject_warnings(cohort: Cohort, prepared: Mapping[str, PreparedSubject]) -> dict[str, list[str]]:
    """Return what a person should know of each subject's scans, by name: assumptions made, and doubts."""
    return {
        subject.name: [*subject_notes(subject), *prepared[subject.name].warnings]
        for subject in cohort.subjects
    }


def warning_lines(warnings: Mapping[str, Sequence[str]]) -> list[str]:
    """Return a line for each warning, with the subjects that have it."""
    owners: dict[str, list[str]] = {}
    for name, sentences in warnings.items():
        for sentence in sentences:
            owners.setdefault(sentence, []).append(name)
    return [f"{_listed(names)}: {sentence}" for sentence, names in owners.items()]


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:MOST_NAMES])
    return shown if len(names) <= MOST_NAMES else f"{shown} and {len(names) - MOST_NAMES} more subjects"


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV, whole or not at all."""
    write_atomically(path, frame.to_csv(index=False).encode())


def _role(roles: object, name: str) -> str:
    return next((role for role in ROLES if name in getattr(roles, role)), "")


def _flat(values: Mapping[str, object]) -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, value in values.items():
        flat |= _flat(value) if isinstance(value, Mapping) else {name: value}
    return flat
