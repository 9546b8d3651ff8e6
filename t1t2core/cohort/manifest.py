"""A cohort from a CSV table: a line a subject, a column a scan."""

from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Any

from t1t2core.cohort.names import LONGEST_NAME, check_excluded, exclude_line, is_safe_name
from t1t2core.cohort.participants import known_cells
from t1t2core.cohort.subject import Cohort, Subject
from t1t2core.cohort.table import NOTHING, read_table, refusal
from t1t2core.cohort.text import is_there, unfetched
from t1t2core.errors import InputError

_SCANS = ("t1w", "t2w", "ct", "labels_t1w", "labels_t2w")
_LABELS = ("labels_t1w", "labels_t2w")


def read_manifest(file: Path, *, exclude: Collection[str] = ()) -> Cohort:
    """Read which scans a table names; the scans themselves are not opened.

    Args:
        file: CSV with columns `subject,t1w,t2w,ct`, and `labels_t1w,labels_t2w` in place of `ct`. Paths
            are relative to the table's folder; `t2w` may be empty or `n/a`. Further columns are
            `Subject.characteristics`.
        exclude: subjects to leave out, by name.

    Raises:
        InputError: names every line that cannot be used, at once.
    """
    table = read_table(file, required=("subject", "t1w", "t2w"), optional=("ct", *_LABELS))
    rows = [(line, _without_placeholders(file.parent, cells)) for line, cells in table]
    if not any(cells["ct"] or cells["labels_t1w"] for _, cells in rows):
        raise InputError(
            f"{file}: column 'ct' is missing or empty (or labels_t1w and labels_t2w in its place)"
        )
    check_excluded(exclude, [cells["subject"] for _, cells in rows])
    rows = [(line, cells) for line, cells in rows if cells["subject"] not in exclude]
    named = Counter(cells["subject"].casefold() for _, cells in rows)
    findings = []
    for line, cells in rows:
        twice = ["there are two subjects of this name"] if named[cells["subject"].casefold()] > 1 else []
        defects = [*twice, *_row_defects(file.parent, cells)]
        findings += [f"line {line} ({cells['subject'] or 'no name'}): {defect}" for defect in defects]
    if findings:
        raise refusal(f"{file}: (to leave a subject out: `{exclude_line(['NAME'])}`)", findings)
    if all(not cells["t2w"] for _, cells in rows):
        raise InputError(f"{file}: none of {len(rows)} subjects has a T2w scan (column t2w)")
    subjects = (_subject(file.parent, cells) for _, cells in rows)
    return Cohort(name=file.stem, subjects=tuple(sorted(subjects, key=lambda subject: subject.name)))


def _without_placeholders(folder: Path, cells: dict[str, str]) -> dict[str, str]:
    """The cells of a line, empty where they say that there is no scan."""
    missing = [
        column
        for column in _SCANS
        if cells[column].casefold() in NOTHING and not is_there(_resolve(folder, cells[column]))
    ]
    return cells | dict.fromkeys(missing, "")


def _row_defects(folder: Path, cells: dict[str, str]) -> list[str]:
    """Why a line is no subject: its name, what it leaves out, and the files that are not there."""
    defects = []
    if not is_safe_name(cells["subject"]):
        defects.append(
            "a subject's name has letters, digits, '.', '_' and '-' only, no '.' in front or at its end, and "
            f"at most {LONGEST_NAME} characters; a device's name such as con is none"
        )
    if not cells["t1w"]:
        defects.append("t1w is empty")
    if cells["ct"] and any(cells[column] for column in _LABELS):
        defects.append("has both ct and label maps: give one of them")
    elif not cells["ct"]:
        defects += _label_defects(cells)
    for column in _SCANS:
        if not cells[column]:
            continue
        path = _resolve(folder, cells[column])
        reason = unfetched(path)
        if not is_there(path):
            defects.append(f"{column} is not there: {cells[column]}{f' ({reason})' if reason else ''}")
        elif reason:
            defects.append(f"{column} ({cells[column]}) is {reason}")
    return defects


def _label_defects(cells: dict[str, str]) -> list[str]:
    """Return what a line without CT lacks."""
    if not cells["labels_t1w"]:
        return ["has neither ct nor labels_t1w"]
    if cells["t2w"] and not cells["labels_t2w"]:
        return ["has t2w but neither ct nor labels_t2w"]
    if cells["labels_t2w"] and not cells["t2w"]:
        return ["has labels_t2w but no t2w"]
    return []


def _subject(folder: Path, cells: dict[str, str]) -> Subject:
    scans: dict[str, Any] = {column: _resolve(folder, cells[column]) for column in _SCANS if cells[column]}
    others = known_cells(cells, without=("subject", *_SCANS))
    return Subject(name=cells["subject"], characteristics=others, **scans)


def _resolve(folder: Path, cell: str) -> Path:
    try:
        return folder / Path(cell).expanduser()
    except (RuntimeError, ValueError):
        return folder / cell  # `~` and no user of that name
