"""A cohort from a CSV table: a line a subject, a column a scan."""

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from t1t2core.cohort.names import LONGEST_NAME, check_excluded, exclude_line, is_safe_name
from t1t2core.cohort.participants import known_cells
from t1t2core.cohort.subject import KINDS, Cohort, Sequences, Subject
from t1t2core.cohort.table import NOTHING, read_table, refusal
from t1t2core.cohort.text import is_there, unfetched
from t1t2core.errors import InputError
from t1t2core.settings import CohortSettings

_LABELS = ("labels_t1w", "labels_t2w")


def read_manifest(file: Path, settings: CohortSettings | None = None) -> Cohort:
    """Read which scans a table names; the scans themselves are not opened.

    Args:
        file: CSV with columns `subject,t1w,t2w,ct`, and `labels_t1w,labels_t2w` in place of `ct`; those of
            other sequences are named by their suffixes, as `flair` and `labels_flair`. Paths are relative to
            the table's folder; `t2w` may be empty or `n/a`. Further columns are `Subject.characteristics`.
        settings: the sequences, the classes, and who is excluded.

    Raises:
        InputError: names every line that cannot be used, at once.
    """
    own = settings or CohortSettings()
    columns = _Columns(own)
    table = read_table(file, required=columns.required, optional=columns.optional)
    rows = [(line, columns.without_placeholders(file.parent, columns.named(cells))) for line, cells in table]
    if not any(cells["ct"] or cells["labels_t1w"] for _, cells in rows):
        raise InputError(f"{file}: {columns.without_truth}")
    check_excluded(own.exclude, [cells["subject"] for _, cells in rows])
    rows = [(line, cells) for line, cells in rows if cells["subject"] not in own.exclude]
    named = Counter(cells["subject"].casefold() for _, cells in rows)
    findings: list[str] = []
    of_subjects: dict[str, list[str]] = defaultdict(list)
    for line, cells in rows:
        name = cells["subject"]
        twice = ["there are two subjects of this name"] if named[name.casefold()] > 1 else []
        for defect in (*twice, *_row_defects(file.parent, cells, columns)):
            findings.append(f"line {line} ({name or 'no name'}): {defect}")
            of_subjects[name].append(f"line {line}: {defect}")
    if findings:
        raise refusal(f"{file}: (to leave a subject out: `{exclude_line(['NAME'])}`)", findings, of_subjects)
    if all(not cells["t2w"] for _, cells in rows):
        raise InputError(
            f"{file}: none of {len(rows)} subjects has a {own.target} scan (column {columns.shown('t2w')})"
        )
    subjects = (_subject(file.parent, cells, columns) for _, cells in rows)
    return Cohort(
        name=file.stem,
        subjects=tuple(sorted(subjects, key=lambda subject: subject.name)),
        sequences=columns.sequences,
        classes=columns.classes,
    )


class _Columns:
    """What the columns of a table are called, and what is in them."""

    def __init__(self, settings: CohortSettings) -> None:
        self.sequences = Sequences(source=settings.source, target=settings.target)
        self.classes = settings.told_apart
        self.may_have_ct = self.classes.from_ct and "ct" not in (settings.source, settings.target)
        self._kinds = [kind for kind in KINDS if kind != "ct" or self.may_have_ct]

    def shown(self, kind: str) -> str:
        """Return the name of the column of a kind of scan."""
        return self.sequences.shown(kind)

    @property
    def without_truth(self) -> str:
        """What is missing where nothing tells the classes."""
        if not self.may_have_ct:
            return f"column '{self.shown('labels_t1w')}' is missing or empty"
        both = " and ".join(self.shown(kind) for kind in _LABELS)
        return f"column 'ct' is missing or empty (or {both} in its place)"

    @property
    def required(self) -> tuple[str, ...]:
        """Columns that must be there."""
        return ("subject", self.shown("t1w"), self.shown("t2w"))

    @property
    def optional(self) -> tuple[str, ...]:
        """Columns that may be there."""
        return tuple(self.shown(kind) for kind in self._kinds if kind not in ("t1w", "t2w"))

    def named(self, cells: dict[str, str]) -> dict[str, str]:
        """The cells of a line by kind of scan, and the other ones by their columns."""
        own = {kind: cells[self.shown(kind)] for kind in self._kinds}
        columns = {self.shown(kind) for kind in self._kinds}
        others = {column: cell for column, cell in cells.items() if column not in {*columns, *KINDS}}
        return {**others, "ct": "", **own}

    def without_placeholders(self, folder: Path, cells: dict[str, str]) -> dict[str, str]:
        """The cells of a line, empty where they say that there is no scan."""
        missing = [
            kind
            for kind in KINDS
            if cells[kind].casefold() in NOTHING and not is_there(_resolve(folder, cells[kind]))
        ]
        return cells | dict.fromkeys(missing, "")


def _row_defects(folder: Path, cells: dict[str, str], columns: _Columns) -> list[str]:
    """Why a line is no subject: its name, what it leaves out, and the files that are not there."""
    defects = []
    if not is_safe_name(cells["subject"]):
        defects.append(
            "a subject's name has letters, digits, '.', '_' and '-' only, no '.' in front or at its end, and "
            f"at most {LONGEST_NAME} characters; a device's name such as con is none"
        )
    if not cells["t1w"]:
        defects.append(f"{columns.shown('t1w')} is empty")
    if cells["ct"] and any(cells[column] for column in _LABELS):
        defects.append("has both ct and label maps: give one of them")
    elif not cells["ct"]:
        defects += _label_defects(cells, columns)
    for kind in KINDS:
        if not cells[kind]:
            continue
        path = _resolve(folder, cells[kind])
        reason, column = unfetched(path), columns.shown(kind)
        if not is_there(path):
            defects.append(f"{column} is not there: {cells[kind]}{f' ({reason})' if reason else ''}")
        elif reason:
            defects.append(f"{column} ({cells[kind]}) is {reason}")
    return defects


def _label_defects(cells: dict[str, str], columns: _Columns) -> list[str]:
    """Return what a line without CT lacks."""
    target, of_source, of_target = map(columns.shown, ("t2w", "labels_t1w", "labels_t2w"))
    ct = "neither ct nor" if columns.may_have_ct else "no"
    if not cells["labels_t1w"]:
        return [f"has {ct} {of_source}"]
    if cells["t2w"] and not cells["labels_t2w"]:
        return [f"has {target} but {ct} {of_target}"]
    if cells["labels_t2w"] and not cells["t2w"]:
        return [f"has {of_target} but no {target}"]
    return []


def _subject(folder: Path, cells: dict[str, str], columns: _Columns) -> Subject:
    scans: dict[str, Any] = {kind: _resolve(folder, cells[kind]) for kind in KINDS if cells[kind]}
    return Subject(
        name=cells["subject"],
        characteristics=known_cells(cells, without=("subject", *KINDS)),
        sequences=columns.sequences,
        classes=columns.classes,
        **scans,
    )


def _resolve(folder: Path, cell: str) -> Path:
    try:
        return folder / Path(cell).expanduser()
    except (RuntimeError, ValueError):
        return folder / cell  # `~` and no user of that name
