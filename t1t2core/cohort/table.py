"""A table that a user or a spreadsheet wrote, read with the numbers of its lines."""

import csv
import io
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from t1t2core.cohort.names import did_you_mean
from t1t2core.cohort.text import read_text
from t1t2core.errors import InputError, SubjectsError

MOST_BYTES = 10_000_000
"""Of a table: no cohort needs more."""

MOST_FINDINGS = 100
"""Lines of a message; what is wrong beyond them is counted."""


NOTHING = frozenset({"-", "n/a", "na", "#n/a", "<na>", "nan", "none", "null"})
"""What tables have where there is nothing, in small letters: `n/a` in BIDS, the others in spreadsheets."""

_DELIMITERS = (",", ";", "\t", "|")
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\r?\n?', re.IGNORECASE)
"""The first line by which Excel is told the delimiter."""


def read_table(
    file: Path, *, required: Collection[str], optional: Collection[str] = ()
) -> list[tuple[int, dict[str, str]]]:
    """Read a table with a header, as spreadsheets write it: commas, semicolons, tabs or bars between cells.

    Empty lines and columns without a name are passed over.

    Args:
        file: the table; UTF-8, or UTF-16 with a byte-order mark.
        required: columns that must be there, in capitals or not.
        optional: columns that may be. Others are passed over, unless they look like one of these.

    Returns:
        The line's number in the file and its cells by column, without surrounding spaces; a cell of an
        optional column that is not there is empty.

    Raises:
        InputError: not a table, a column missing or misspelt, or a line with too many or too few cells.
    """
    known = (*required, *optional)
    try:
        lines = _lines(read_text(file, most_bytes=MOST_BYTES), known)
    except InputError as error:
        raise InputError(f"{file}: not a table of comma-separated text: {error}") from None
    if len(lines) < 2:
        raise InputError(f"{file}: empty; a header ({','.join(known)}) and a line each are expected")
    (_, names), *rows = lines
    header = [name.casefold() if name.casefold() in known else name for name in names]
    _check_header(file, [name for name in header if name], required, known)
    least = max(number for number, name in enumerate(header, start=1) if name)
    uneven = [
        f"line {number}: {len(cells)} cells"
        for number, cells in rows
        if len(cells) < least or any(cells[len(header) :])
    ]
    if uneven:
        raise refusal(f"{file}: the header has {least} columns, but:", uneven)
    return [
        (
            number,
            {**dict.fromkeys(known, ""), **{n: cell for n, cell in zip(header, cells, strict=False) if n}},
        )
        for number, cells in rows
    ]


def _lines(text: str, known: Collection[str]) -> list[tuple[int, list[str]]]:
    """The lines that have something in them, with their numbers and stripped cells."""
    first, *_ = text.splitlines(keepends=True) or [""]
    told = _SEPARATOR_LINE.fullmatch(first)
    delimiters = (told[1],) if told else _DELIMITERS
    body = text[len(first) :] if told else text
    delimiter = max(delimiters, key=lambda one: _columns_found(body, one, known))
    reader = csv.reader(
        io.StringIO(body, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True
    )
    try:
        lines = [(reader.line_num + bool(told), [cell.strip() for cell in line]) for line in reader]
    except csv.Error as error:
        raise InputError(f"line {reader.line_num + bool(told)}: {error}") from None
    lines = [(number, cells) for number, cells in lines if any(cells)]
    if lines and any("\0" in cell for cell in lines[0][1]):
        raise InputError("its header has zero bytes, as UTF-16 without a byte-order mark: save it as UTF-8")
    return lines


def _columns_found(text: str, delimiter: str, known: Collection[str]) -> int:
    """How many of the known columns the header has if cells are delimited so."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    try:
        header = next((cells for line in reader if any(cells := [cell.strip() for cell in line])), [])
    except csv.Error:
        return 0
    return len({cell.casefold() for cell in header} & set(known))


def refusal(
    headline: str, findings: list[str], of_subjects: Mapping[str, Sequence[str]] | None = None
) -> InputError:
    """Return an error with the first `MOST_FINDINGS` findings and the number of the others.

    Args:
        of_subjects: the same by the name of the subject; a subject without a name cannot be left out.
    """
    more = [f"and {len(findings) - MOST_FINDINGS} more"] if len(findings) > MOST_FINDINGS else []
    lines = findings[:MOST_FINDINGS] + more
    if of_subjects and all(of_subjects):
        return SubjectsError.of(headline, of_subjects, lines)
    return InputError.collect(headline, lines)


def _check_header(file: Path, header: list[str], required: Collection[str], known: Collection[str]) -> None:
    findings = [
        f"column {name!r} is there twice" for name, times in sorted(Counter(header).items()) if times > 1
    ]
    absent = [name for name in known if name not in header]
    for name in header:
        if name not in known and (hint := did_you_mean(name, absent, cutoff=0.6)):
            findings.append(f"column {name!r} is unknown{hint}")
    findings += [f"column {name!r} is missing" for name in required if name not in header]
    if findings:
        found = ", ".join(header[: 2 * len(known)]) + (", ..." if len(header) > 2 * len(known) else "")
        raise refusal(f"{file}: columns must be {', '.join(known)}; found {found}:", findings)
