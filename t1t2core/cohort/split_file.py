"""A table that gives the patients their roles in place of the draw."""

import re
from collections import Counter, defaultdict
from pathlib import Path

from t1t2core.cohort.names import did_you_mean
from t1t2core.cohort.roles import ROLES, FoldSplit, Roles
from t1t2core.cohort.subject import Cohort
from t1t2core.cohort.table import read_table, refusal
from t1t2core.settings import SOURCE, TARGET, CohortSettings

_FOLD = re.compile(r"0*[1-9][0-9]{0,3}")


def read_splits(file: Path, cohort: Cohort, settings: CohortSettings) -> tuple[FoldSplit, ...]:
    """Read the roles of the patients from a table; `t2.training` keeps the order of its lines.

    Args:
        file: CSV with columns `subject,fold,sequence,role`: sequence `T1` or `T2`; role `training`,
            `validation`, `test` or `none`, which is also the role of patients who are not listed.
        cohort: whose subjects have the roles.
        settings: the rule that the roles must keep (`overlap`), and whose lines to pass over (`exclude`), as
            are those of subjects who are left out of the cohort.

    Raises:
        InputError: names every line and role that cannot be used, at once.
    """
    columns = ("subject", "fold", "sequence", "role")
    absent = {*settings.exclude, *cohort.left_out}
    rows = [row for row in read_table(file, required=columns) if row[1]["subject"] not in absent]
    has = {SOURCE: {s.name for s in cohort.subjects}, TARGET: {s.name for s in cohort.with_t2w}}
    findings = [f"line {line}: {defect}" for line, cells in rows for defect in _row_defects(cells, has)]
    if findings:
        raise refusal(f"{file}:", findings)
    entries = [(int(cells["fold"]), cells["sequence"], cells["role"], cells["subject"]) for _, cells in rows]
    listed = Counter((fold, sequence, name) for fold, sequence, _, name in entries)
    for (fold, sequence, name), times in listed.items():
        if times > 1:
            findings.append(f"fold {fold}: {name} is listed {times} times for {sequence}")

    named: dict[tuple[int, str, str], list[str]] = defaultdict(list)
    for fold, sequence, role, name in entries:
        named[fold, sequence, role].append(name)

    def roles_of(fold: int, sequence: str) -> Roles:
        return Roles(*(tuple(named.get((fold, sequence, role), ())) for role in ROLES))

    splits = [
        FoldSplit(fold, roles_of(fold, SOURCE), roles_of(fold, TARGET))
        for fold in sorted({e[0] for e in entries})
    ]
    findings += [defect for split in splits for defect in _split_defects(split, settings.overlap)]
    if findings:
        raise refusal(f"{file}:", findings)
    return tuple(splits)


def _row_defects(cells: dict[str, str], has: dict[str, set[str]]) -> list[str]:
    """Find what is wrong with one line; `has` are the patients who have each sequence."""
    name, sequence, role = cells["subject"], cells["sequence"], cells["role"]
    defects = []
    if name not in has[SOURCE]:
        defects.append(f"{name!r} is no subject of this cohort{did_you_mean(name, has['T1'])}")
    if not _FOLD.fullmatch(cells["fold"]):
        defects.append(f"fold {cells['fold']!r} is no whole number from 1 to 9999")
    if role not in (*ROLES, "none"):
        defects.append(f"role {role!r} is not {', '.join(ROLES)} or none{did_you_mean(role, ROLES)}")
    if sequence not in has:
        defects.append(f"sequence {sequence!r} is neither T1 nor T2")
    elif name in has[SOURCE] - has[sequence] and role != "none":
        defects.append(f"{name} has no T2w scan")
    return defects


def _split_defects(split: FoldSplit, overlap: str) -> list[str]:
    """Roles that nobody has, and patients whose two roles the setting `overlap` rules out."""
    defects = [
        f"fold {split.fold}: no {sequence} patient for {role}"
        for sequence, roles in ((SOURCE, split.t1), (TARGET, split.t2))
        for role in ROLES
        if not getattr(roles, role)
    ]
    guarded = {"strict": ROLES, "test_disjoint": ("test",), "as_published": ()}[overlap]
    for t2_role in guarded:
        for t1_role in (role for role in ROLES if role != t2_role):
            both = sorted(set(getattr(split.t2, t2_role)) & set(getattr(split.t1, t1_role)))
            if both:
                defects.append(
                    f"fold {split.fold}: {', '.join(both)} in T2 {t2_role} and T1 {t1_role}, which "
                    f"`cohort: {{overlap: {overlap}}}` rules out"
                )
    return defects
