"""The way of the patients through a study: who was read, who was left out and why, who had which role."""

from collections.abc import Iterator

import pandas as pd

from ablation.plan.tables import BETWEEN_WARNINGS, WARNINGS
from ablation.record.selection import select
from ablation.report.checklist.facts import Facts, named
from t1t2core.cohort.roles import ROLES
from t1t2core.settings import SOURCE, TARGET

LEFT_OUT = "left out: "


def patient_flow(facts: Facts) -> pd.DataFrame:
    """Return a row a step, from the scans that were read to those that were scored.

    Columns: `step`, the numbers of patients with a scan of each sequence, and `who_and_why`. Empty where
    no `subjects.csv` is recorded.
    """
    source, target = facts.sequences.source, facts.sequences.target
    columns = ["step", source, target, "who_and_why"]
    if facts.took_part.empty:
        return pd.DataFrame(columns=columns)
    rows = [*_excluded(facts), *_left_out(facts), *_taken(facts), *_roles(facts), *_scored(facts)]
    return pd.DataFrame(rows, columns=columns).astype({source: "Int64", target: "Int64"})


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
    subjects, target = facts.subjects, facts.sequences.target
    told = [
        (name, isinstance(sequences, str), sentence)
        for name, sequences, text in zip(
            subjects["subject"], subjects["sequences"], subjects[WARNINGS].fillna(""), strict=True
        )
        for sentence in text.split(BETWEEN_WARNINGS)
        if sentence.startswith((LEFT_OUT, f"{target} {LEFT_OUT}"))
    ]
    alike: dict[tuple[bool, str], list[str]] = {}
    for name, stays, why in told:
        alike.setdefault((stays, why), []).append(name)
    for (stays, why), names in sorted(alike.items()):
        step = f"{target} scan left out" if stays else "left out"
        counts = (None, len(names)) if stays else (len(names), None)
        yield step, *counts, f"{named(names)}: {why.partition(': ')[2]}"


def _taken(facts: Facts) -> Iterator[Row]:
    with_target = facts.took_part["sequences"].str.contains(TARGET)
    told = f"with a {facts.sequences.source} scan; of them with a {facts.sequences.target} scan"
    yield "took part", len(with_target), int(with_target.sum()), told


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
            who = f"{facts.sequences.target}: {named(t2.tolist())}" if len(t2) else ""
            yield f"{label}: {role}", len(t1), len(t2), who


def _scored(facts: Facts) -> Iterator[Row]:
    tested = select(facts.patients, split="test")
    numbers = tested.groupby("sequence")["patient"].nunique()
    yield (
        "scored as test patients",
        int(numbers.get(SOURCE, 0)) or None,
        int(numbers.get(TARGET, 0)) or None,
        "in all folds together, in trials that finished",
    )
