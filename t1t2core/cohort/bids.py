"""A cohort from a BIDS folder: `sub-*/[ses-*/]anat/*_T1w`, `anat/*_T2w` and `ct/*_ct`."""

import json
import re
import reprlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from t1t2core.cohort.names import LONGEST_NAME, check_excluded, did_you_mean, exclude_line
from t1t2core.cohort.subject import Cohort, Subject
from t1t2core.cohort.text import is_there, read_text
from t1t2core.errors import InputError

MOST_BYTES = 1_000_000
"""Of `dataset_description.json`."""

LONGEST_TITLE = 200
"""Characters of the dataset's name that are kept."""

_PLACES = {"t1w": ("anat", "T1w"), "t2w": ("anat", "T2w"), "ct": ("ct", "ct")}
_SUBJECT = re.compile(r"sub-[A-Za-z0-9]+")
_FILE = re.compile(r"(?P<entities>(?:[A-Za-z]+-[A-Za-z0-9+]+_)+)(?P<suffix>T1w|T2w|ct)\.nii(?:\.gz)?")


@dataclass(frozen=True)
class _File:
    """One scan in the folder, by the entities of its name."""

    path: Path
    kind: str
    subject: str
    session: str | None
    run: str | None


def read_bids(
    folder: Path, *, session: str | None = None, run: str | None = None, exclude: Collection[str] = ()
) -> Cohort:
    """Read which scans a BIDS folder has; the scans themselves are not opened.

    Args:
        folder: the root of the dataset.
        session: which session to use where a subject has several (`ses-pre` or `pre`).
        run: which run to use where a scan has several (`run-1`, `1` or `01`).
        exclude: subjects to leave out, by name (`sub-01`).

    Raises:
        InputError: no BIDS folder, or subjects without a T1w or CT, or with several of one kind; all
            such subjects are named at once.
    """
    name, simulated = _describe(folder)
    folders = {path.name: path for path in sorted(folder.glob("sub-*")) if path.is_dir()}
    if not folders:
        raise InputError(f"{folder}: not a BIDS folder, it has no folders sub-*")
    check_excluded(exclude, folders)
    files = {name: _find_files(path) for name, path in folders.items() if name not in exclude}
    _check_choices(files, session, run)
    findings: dict[str, list[str]] = {}
    subjects = []
    for subject, found in files.items():
        chosen, defects = _choose(found, session, run)
        defects = [*_name_defects(subject, found), *defects]
        if defects:
            findings[subject] = defects
        else:
            subjects.append(Subject(name=subject, **chosen))
    if findings:
        raise _refusal(folder, findings)
    if all(subject.t2w is None for subject in subjects):
        raise InputError(f"{folder}: none of {len(subjects)} subjects has a T2w scan (anat/*_T2w.nii.gz)")
    return Cohort(name=name, subjects=tuple(subjects), simulated=simulated)


def _describe(folder: Path) -> tuple[str, bool]:
    """The dataset's name and whether it says that it is simulated."""
    file = folder / "dataset_description.json"
    default = folder.resolve().name
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


def _find_files(subject: Path) -> list[_File]:
    """The T1w, T2w and CT scans in one subject's folder."""
    found = []
    for level in (subject, *sorted(path for path in subject.glob("ses-*") if path.is_dir())):
        for kind, (place, suffix) in _PLACES.items():
            for path in sorted((level / place).glob("*")):
                match = _FILE.fullmatch(path.name)
                if match and match["suffix"] == suffix:
                    entities = dict(part.split("-", 1) for part in match["entities"].rstrip("_").split("_"))
                    session = level.name.removeprefix("ses-") if level != subject else entities.get("ses")
                    found.append(
                        _File(path, kind, f"sub-{entities.get('sub')}", session, entities.get("run"))
                    )
    return found


def _check_choices(files: dict[str, list[_File]], session: str | None, run: str | None) -> None:
    """Refuse a session or run that no scan has, where there are any to choose from."""
    for what, choice in (("session", session), ("run", run)):
        there = {getattr(file, what) for found in files.values() for file in found} - {None}
        if choice is not None and not any(_is_chosen(name, choice) for name in there):
            listed = ", ".join(sorted(there)) or f"no {what}s"
            raise InputError(
                f"cohort.{what} is {choice!r}, but the scans have {listed}{did_you_mean(choice, there)}"
            )


def _is_chosen(label: str | None, choice: str) -> bool:
    """Does an entity's value match the choice, be it `1`, `01` or `run-1`?"""
    wanted = re.sub(r"^(ses|run)-", "", choice)
    return label is not None and label.lstrip("0") == wanted.lstrip("0")


def _choose(
    found: Sequence[_File], session: str | None, run: str | None
) -> tuple[dict[str, Path], list[str]]:
    """One file of each kind, and why that cannot be."""
    sessions = {file.session for file in found}
    if len(sessions) > 1:
        if session is None:
            return {}, [f"has sessions {_listed(sessions)}: choose with `cohort: {{session: ...}}`"]
        found = [file for file in found if _is_chosen(file.session, session)]
        if not found:
            return {}, [f"has sessions {_listed(sessions)}, none is {session!r}"]
    chosen, defects = {}, []
    for kind, (place, suffix) in _PLACES.items():
        candidates = [file for file in found if file.kind == kind]
        candidates, defect = _choose_run(candidates, run)
        if len(candidates) == 1:
            chosen[kind] = candidates[0].path
        elif defect:
            defects.append(f"{suffix}: {defect}")
        elif kind != "t2w":
            defects.append(f"no {suffix} ({place}/*_{suffix}.nii.gz)")
    return chosen, defects


def _choose_run(candidates: list[_File], run: str | None) -> tuple[list[_File], str]:
    """The scans of one kind that are left after the choice, and why they are not one."""
    runs = {file.run for file in candidates}
    if len(runs) > 1:
        if run is None:
            return candidates, f"has runs {_listed(runs)}: choose with `cohort: {{run: ...}}`"
        candidates = [file for file in candidates if _is_chosen(file.run, run)]
        if not candidates:
            return [], f"has runs {_listed(runs)}, none is {run!r}"
    several = f"several scans, one is expected: {', '.join(file.path.name for file in candidates)}"
    return candidates, several if len(candidates) > 1 else ""


def _name_defects(subject: str, found: Sequence[_File]) -> list[str]:
    """Names that are not BIDS, or of another subject."""
    defects = [] if _SUBJECT.fullmatch(subject) else ["not a BIDS label: sub- and then letters and digits"]
    if len(subject) > LONGEST_NAME:
        defects.append(f"a name has at most {LONGEST_NAME} characters")
    defects += [f"{file.path.name} is neither file nor folder" for file in found if not is_there(file.path)]
    strangers = [file.path.name for file in found if file.subject != subject]
    return [*defects, *(f"{name} lies in its folder" for name in strangers)]


def _listed(labels: Iterable[str | None]) -> str:
    return ", ".join(sorted("(none)" if label is None else label for label in labels))


def _refusal(folder: Path, findings: dict[str, list[str]]) -> InputError:
    lines = [f"{subject}: {'; '.join(defects)}" for subject, defects in findings.items()]
    way_out = f"to leave them out: `{exclude_line(findings)}`"
    return InputError.collect(f"{folder}: {len(findings)} subjects cannot be used ({way_out}):", lines)
