"""A CSV table that a user wrote, read with the numbers of its lines."""

import csv
import io
from collections import Counter
from collections.abc import Collection
from pathlib import Path

from t1t2core.cohort.names import did_you_mean
from t1t2core.cohort.text import read_text
from t1t2core.errors import InputError

MOST_BYTES = 10_000_000
"""Of a table: no cohort needs more."""

MOST_FINDINGS = 100
"""Lines of a message; what is wrong beyond them is counted."""


def read_table(
    file: Path, *, required: Collection[str], optional: Collection[str] = ()
) -> list[tuple[int, dict[str, str]]]:
    """Read a comma-separated table with a header.

    Args:
        file: the table; UTF-8.
        required: columns that must be there.
        optional: columns that may be. Others are passed over, unless they look like one of these.

    Returns:
        The line's number in the file and its cells by column, without surrounding spaces; a cell of an
        optional column that is not there is empty.

    Raises:
        InputError: not a table, a column missing or misspelt, or a line with too many or too few cells.
    """
    known = (*required, *optional)
    try:
        stream = io.StringIO(read_text(file, most_bytes=MOST_BYTES), newline="")
        reader = csv.reader(stream, skipinitialspace=True, strict=True)
        lines = [(reader.line_num, [cell.strip() for cell in line]) for line in reader if any(line)]
    except InputError as error:
        raise InputError(f"{file}: not a table of comma-separated text: {error}") from None
    except csv.Error as error:
        raise InputError(f"{file}: not a table of comma-separated text ({error})") from None
    if len(lines) < 2:
        raise InputError(f"{file}: empty; a header ({','.join(known)}) and a line each are expected")
    (_, header), *rows = lines
    _check_header(file, header, required, known)
    uneven = [f"line {number}: {len(cells)} cells" for number, cells in rows if len(cells) != len(header)]
    if uneven:
        raise refusal(f"{file}: the header has {len(header)} columns, but:", uneven)
    return [
        (number, {**dict.fromkeys(known, ""), **dict(zip(header, cells, strict=True))})
        for number, cells in rows
    ]


def refusal(headline: str, findings: list[str]) -> InputError:
    """An error with the first `MOST_FINDINGS` findings and the number of the others."""
    more = [f"and {len(findings) - MOST_FINDINGS} more"] if len(findings) > MOST_FINDINGS else []
    return InputError.collect(headline, findings[:MOST_FINDINGS] + more)


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
