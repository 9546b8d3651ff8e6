"""What is known of the patients beside their scans: sex, age, site, scanner."""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from t1t2core.cohort.names import did_you_mean, exclude_line
from t1t2core.cohort.subject import Cohort, Subject
from t1t2core.cohort.table import NOTHING, read_table
from t1t2core.cohort.text import is_there
from t1t2core.errors import InputError

FILE, NAME = "participants.tsv", "participant_id"
MOST_GROUPS = 8
"""Values of a column that groups are made of: more would be a name or an identifier (ours)."""

Known = dict[str, dict[str, str]]
"""Cells by column, by subject."""


def read_participants(folder: Path, names: Collection[str]) -> tuple[Known, tuple[str, ...]]:
    """Read a BIDS folder's `participants.tsv`, if there is one.

    Args:
        folder: the root of the dataset.
        names: of the subjects that have a folder (`sub-01`).

    Returns:
        What is known of each subject; and a warning for each thing that was passed over: the whole table if
        it cannot be read, subjects without a folder, and those with several lines. It stops no run, since
        nobody may have asked for it.
    """
    file = folder / FILE
    if not is_there(file):
        return {}, ()
    try:
        rows = [cells for _, cells in read_table(file, required=(NAME,))]
    except InputError as error:
        return {}, (f"{FILE} is not used: {error}",)
    named = [(_label(cells[NAME]), known_cells(cells, without=(NAME,))) for cells in rows]
    times = Counter(name for name, _ in named)
    strangers = sorted(times.keys() - set(names))
    repeated = sorted(name for name in times.keys() & set(names) if times[name] > 1)
    warnings = []
    if strangers:
        warnings.append(f"{FILE} has subjects without a folder: {', '.join(strangers)}")
    if repeated:
        warnings.append(f"{FILE} has several lines, none of which is used, of {', '.join(repeated)}")
    return {name: cells for name, cells in named if times[name] == 1 and name in names}, tuple(warnings)


def known_cells(cells: Mapping[str, str], *, without: Collection[str]) -> dict[str, str]:
    """Return the cells of a line that have something in them, without those of some columns."""
    return {
        column: cell
        for column, cell in cells.items()
        if column not in without and cell and cell.casefold() not in NOTHING
    }


def recorded_columns(subjects: Iterable[Subject]) -> list[str]:
    """Return the columns that are written down with a study: numbers, and texts with up to 8 values.

    Others may be names or identifiers.
    """
    values: dict[str, set[str]] = {}
    for subject in subjects:
        for column, cell in subject.characteristics.items():
            values.setdefault(column, set()).add(cell)
    return [name for name, found in values.items() if len(found) <= MOST_GROUPS or all(map(is_number, found))]


def is_number(cell: str) -> bool:
    """Return whether a cell holds a finite number."""
    try:
        return math.isfinite(float(cell))
    except ValueError:
        return False


def groups_of(cohort: Cohort, column: str) -> dict[str, list[str]]:
    """Return the subjects that have each value of a column, values in order.

    Raises:
        InputError: the column is not there, or some subjects have nothing in it.
    """
    there = list(dict.fromkeys(name for subject in cohort.subjects for name in subject.characteristics))
    if column not in there:
        columns = f"there are {', '.join(there)}" if there else "nothing is known of its patients"
        raise InputError(
            f"cohort.leave_one_out: {column!r} is no column of {cohort.name}: {columns}"
            f"{did_you_mean(column, there)}"
        )
    if without := [one.name for one in cohort.subjects if column not in one.characteristics]:
        raise InputError(
            f"cohort.leave_one_out: {column} is not known of {', '.join(without)}, who may have any; fill "
            f"it in, or leave them out: `{exclude_line(without)}`"
        )
    groups: dict[str, list[str]] = {}
    for subject in cohort.subjects:
        groups.setdefault(subject.characteristics[column], []).append(subject.name)
    return {value: groups[value] for value in sorted(groups, key=_in_order)}


def _in_order(value: str) -> tuple[bool, float, str]:
    """Numbers by size, then texts by the alphabet."""
    return (False, float(value), value) if is_number(value) else (True, 0.0, value)


def _label(name: str) -> str:
    """`sub-01`, also where the table has `01`."""
    return name if name.startswith("sub-") else f"sub-{name}"
