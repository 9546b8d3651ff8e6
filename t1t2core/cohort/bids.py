"""A cohort from a BIDS folder: `sub-*/[ses-*/]anat/*_T1w`, `anat/*_T2w`, `ct/*_ct`, `participants.tsv`."""

import json
import re
import reprlib
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from t1t2core.cohort.entities import find_files, folders_of
from t1t2core.cohort.names import LONGEST_NAME, check_excluded, exclude_line, given_name
from t1t2core.cohort.participants import read_participants
from t1t2core.cohort.scan_choice import Chosen, ScanChoice
from t1t2core.cohort.subject import Cohort, Subject
from t1t2core.cohort.text import is_there, read_text, unfetched
from t1t2core.errors import InputError
from t1t2core.settings import Selection

MOST_BYTES = 1_000_000
"""Of `dataset_description.json`."""

LONGEST_TITLE = 200
"""Characters of the dataset's name that are kept."""

_SUBJECT = re.compile(r"sub-[A-Za-z0-9]+")


def read_bids(
    folder: Path,
    *,
    session: str | None = None,
    run: str | None = None,
    select: Selection = MappingProxyType({}),
    exclude: Collection[str] = (),
) -> Cohort:
    """Read which scans a BIDS folder has; the scans themselves are not opened.

    Args:
        folder: the root of the dataset.
        session: which session to use where a subject has several (`ses-pre` or `pre`).
        run: which run to use where a scan has several (`run-1`, `1` or `01`).
        select: which scan to use where a subject has several of a kind, by entities of its name. Subjects
            without the scan that `session`, `run` or `select` asks for are in `Cohort.left_out`.
        exclude: subjects to leave out, by name (`sub-01`).

    Raises:
        InputError: no BIDS folder, or subjects without a T1w or CT, or with several of one kind, all named.
    """
    name, simulated = _describe(folder)
    folders = {path.name: path for path in sorted(folder.glob("sub-*")) if _is_subject(path)}
    if not folders:
        raise InputError(f"{folder}: not a BIDS folder, it has no folders sub-*")
    check_excluded(exclude, folders)
    files = {name: find_files(path) for name, path in folders.items() if name not in exclude}
    choice = ScanChoice(session, run, select, [file for found in files.values() for file in found])
    findings: dict[str, list[str]] = {}
    left_out, subjects = {}, []
    for subject, found in files.items():
        chosen = choice.choose(found)
        lost = _lost_folders(folders[subject], choice)
        if not lost and (reasons := [chosen.lacks[kind] for kind in ("T1w", "ct") if kind in chosen.lacks]):
            left_out[subject] = "; ".join(reasons)
        elif defects := lost or [*_defects(subject, chosen), *chosen.defects]:
            findings[subject] = defects
        else:
            subjects.append(_subject(subject, chosen))
            left_out |= {f"{kind} of {subject}": why for kind, why in chosen.lacks.items()}
    _check_found(folder, findings, subjects, left_out)
    cohort = Cohort(name=name, subjects=tuple(subjects), simulated=simulated, left_out=left_out)
    return _with_characteristics(cohort, folder, folders)


def _check_found(
    folder: Path, findings: dict[str, list[str]], subjects: list[Subject], left_out: dict[str, str]
) -> None:
    if findings:
        raise _refusal(folder, findings)
    if all(subject.t2w is None for subject in subjects):
        raise _without_t2w(folder, len(subjects), left_out)


def _with_characteristics(cohort: Cohort, folder: Path, names: Collection[str]) -> Cohort:
    """The cohort with what its table of participants says."""
    known, warnings = read_participants(folder, names)
    subjects = tuple(replace(one, characteristics=known.get(one.name, {})) for one in cohort.subjects)
    return replace(cohort, subjects=subjects, warnings=warnings)


def _without_t2w(folder: Path, subjects: int, left_out: Mapping[str, str]) -> InputError:
    lines = [f"{name} is left out: {why}" for name, why in left_out.items()]
    headline = f"{folder}: none of {subjects} subjects has a T2w scan (anat/*_T2w.nii.gz)"
    return InputError.collect(headline, lines)


def _is_subject(path: Path) -> bool:
    """A folder; or a link to one that is not here, as git-annex leaves it."""
    return path.is_dir() or bool(_SUBJECT.fullmatch(path.name) and path.is_symlink() and unfetched(path))


def _describe(folder: Path) -> tuple[str, bool]:
    """The dataset's name and whether it says that it is simulated."""
    file = folder / "dataset_description.json"
    default = given_name(folder)
    if reason := unfetched(file):
        raise InputError(f"{file}: {reason}")
    if not file.is_file():
        return default, False
    try:
        description = json.loads(read_text(file, most_bytes=MOST_BYTES))
    except (InputError, ValueError, RecursionError) as error:
        raise InputError(f"{file}: not a JSON file ({error})") from None
    if not isinstance(description, dict):
        raise InputError(f"{file}: a JSON object is expected")
    name = description.get("Name") or default
    if not isinstance(name, str):
        raise InputError(f"{file}: Name is {reprlib.repr(name)}, where a text is expected")
    # Reports and messages have it on a line.
    plain = "".join(letter if letter.isprintable() else " " for letter in name).strip()
    return plain[:LONGEST_TITLE] or default, description.get("Simulated") is True


def _subject(name: str, chosen: Chosen) -> Subject:
    paths = {kind: file.path for kind, file in chosen.files.items()}
    return Subject(name=name, t1w=paths["T1w"], t2w=paths.get("T2w"), ct=paths["ct"])


def _lost_folders(subject: Path, choice: ScanChoice) -> list[str]:
    """Folders in which the chosen scans may lie and that are links to nothing."""
    places = [place for session, place in folders_of(subject) if choice.may_use(session)]
    reasons = dict.fromkeys(reason for place in places if (reason := unfetched(place)))
    return [f"a folder of its scans is {reason}" for reason in reasons]


def _defects(subject: str, chosen: Chosen) -> list[str]:
    """A name that is not BIDS, and scans that are of another subject or not here."""
    defects = [] if _SUBJECT.fullmatch(subject) else ["not a BIDS label: sub- and then letters and digits"]
    if len(subject) > LONGEST_NAME:
        defects.append(f"a name has at most {LONGEST_NAME} characters")
    for file in chosen.files.values():
        reason = unfetched(file.path)
        if not is_there(file.path):
            reason = f"neither file nor folder{f' but {reason}' if reason else ''}"
        if reason:
            defects.append(f"{file.path.name} is {reason}")
        if file.astray:
            defects.append(f"{file.path.name} lies in {file.astray}")
    return defects


def _refusal(folder: Path, findings: dict[str, list[str]]) -> InputError:
    lines = [f"{subject}: {'; '.join(defects)}" for subject, defects in findings.items()]
    way_out = f"to leave them out: `{exclude_line(findings)}`"
    return InputError.collect(f"{folder}: {len(findings)} subjects cannot be used ({way_out}):", lines)
