"""The way of the patients through a study: who was read, who was left out and why, who had which role."""

from collections.abc import Iterator

import pandas as pd

from ablation.plan.tables import BETWEEN_WARNINGS, WARNINGS
from ablation.record.selection import select
from ablation.report.checklist.facts import Facts, named
from t1t2core.cohort.roles import ROLES
from t1t2core.settings import SOURCE, TARGET

FLOW = ["step", "T1w", "T2w", "who_and_why"]
"""Columns: numbers of patients with a T1w and a T2w scan."""
LEFT_OUT = "left out: "
T2W_LEFT_OUT = "T2w left out: "


def patient_flow(facts: Facts) -> pd.DataFrame:
    """Return `FLOW`: a row a step, from the scans that were read to those that were scored.

    Empty where no `subjects.csv` is recorded.
    """
    if facts.took_part.empty:
        return pd.DataFrame(columns=FLOW)
    rows = [*_excluded(facts), *_left_out(facts), *_taken(facts), *_roles(facts), *_scored(facts)]
    return pd.DataFrame(rows, columns=FLOW).astype({"T1w": "Int64", "T2w": "Int64"})


Row = tuple[str, int | None, int | None, str]


def _excluded(facts: Facts) -> Iterator[Row]:
    """Who was left out by name, of whom nothing was read."""
    names = [] if facts.settings is None else sorted(facts.settings.cohort.exclude)
    if names:
        yield (
            "left out by cohort.exclude",
            len(names),
            None,
            f"{named(names)}; why: to be filled by the authors",
        )


def _left_out(facts: Facts) -> Iterator[Row]:
    """Who was left out since a scan was lacking, by reason."""
    subjects = facts.subjects
    told = [
        (name, isinstance(sequences, str), sentence)
        for name, sequences, text in zip(
            subjects["subject"], subjects["sequences"], subjects[WARNINGS].fillna(""), strict=True
        )
        for sentence in text.split(BETWEEN_WARNINGS)
        if sentence.startswith((LEFT_OUT, T2W_LEFT_OUT))
    ]
    alike: dict[tuple[bool, str], list[str]] = {}
    for name, stays, why in told:
        alike.setdefault((stays, why), []).append(name)
    for (stays, why), names in sorted(alike.items()):
        step = "T2w scan left out" if stays else "left out"
        counts = (None, len(names)) if stays else (len(names), None)
        yield step, *counts, f"{named(names)}: {why.partition(': ')[2]}"


def _taken(facts: Facts) -> Iterator[Row]:
    with_t2w = facts.took_part["sequences"].str.contains(TARGET)
    yield "took part", len(with_t2w), int(with_t2w.sum()), "with a T1w scan; of them with a T2w scan"


def _roles(facts: Facts) -> Iterator[Row]:
    """Numbers of each fold and role; folds with the same roles are one."""
    columns = [
        (fold, pair)
        for fold in facts.folds
        if set(pair := [f"fold_{fold}_T1", f"fold_{fold}_T2"]) <= set(facts.took_part)
    ]
    alike: dict[str, list[int]] = {}
    for fold, pair in columns:
        alike.setdefault(facts.took_part[pair].to_csv(header=False), []).append(fold)
    for folds in alike.values():
        label = f"fold{'s' if len(folds) > 1 else ''} {', '.join(map(str, folds))}"
        pair = [f"fold_{folds[0]}_T1", f"fold_{folds[0]}_T2"]
        for role in ROLES:
            t1, t2 = (facts.took_part["subject"][facts.took_part[name] == role] for name in pair)
            yield f"{label}: {role}", len(t1), len(t2), f"T2w: {named(t2.tolist())}" if len(t2) else ""


def _scored(facts: Facts) -> Iterator[Row]:
    tested = select(facts.patients, split="test")
    numbers = tested.groupby("sequence")["patient"].nunique()
    yield (
        "scored as test patients",
        int(numbers.get(SOURCE, 0)) or None,
        int(numbers.get(TARGET, 0)) or None,
        "in all folds together, in trials that finished",
    )
