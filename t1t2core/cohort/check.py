"""The check of a whole cohort: every scan is sound, and no patient is there twice."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from t1t2core.cohort.identity import Identity, identity_of
from t1t2core.cohort.known_scans import KnownScans, content_key
from t1t2core.cohort.names import exclude_line
from t1t2core.cohort.scan import examine_scan, scan_notes
from t1t2core.cohort.subject import Cohort, Subject
from t1t2core.errors import InputError, SubjectsError
from t1t2core.settings.classes import STUDY_CLASSES, Classes

IMAGES = ("t1w", "t2w", "ct")
"""Kinds that no two subjects share. Two label maps may well be equal."""


@dataclass(frozen=True)
class Task:
    """A scan to read."""

    path: Path
    kind: str
    classes: Classes = STUDY_CLASSES


@dataclass(frozen=True)
class Examined:
    """What was found in a scan.

    Args:
        identity: None if it cannot be read.
        defects: what is wrong with it, a sentence each.
    """

    identity: Identity | None
    defects: tuple[str, ...] = ()


Each = Callable[[Callable[[Task], Examined], Sequence[Task]], Iterable[Examined]]
"""Applies a function to each scan, in order; `map`, or one that uses several processes."""


def check_cohort(cohort: Cohort, known: KnownScans | None = None, *, each: Each = map) -> Cohort:
    """Read every scan of a cohort and check it (see `check_scan`), and that no image belongs to two subjects.

    Args:
        known: scans that need not be read again; new ones are added.
        each: how the scans are gone through.

    Returns:
        The cohort with the identities of its scans.

    Raises:
        SubjectsError: names every subject and file that cannot be used, every image that two subjects have,
            and the setting that leaves those subjects out.
    """
    known = known or KnownScans()
    tasks = [task for subject in cohort.subjects for task in _tasks(subject)]
    found = _examine(tasks, known, each)
    subjects = tuple(_identified(subject, found) for subject in cohort.subjects)
    findings: dict[str, list[str]] = defaultdict(list)
    for subject in subjects:
        for task in _tasks(subject):
            shown = subject.sequences.shown(task.kind)
            findings[subject.name] += [f"{shown} ({task.path}): {one}" for one in found[task].defects]
    _add_repeated(findings, subjects)
    if broken := {name: defects for name, defects in findings.items() if defects}:
        raise SubjectsError.of(
            f"{len(broken)} of {len(cohort.subjects)} subjects of {cohort.name} have unusable scans "
            f"(to leave them out: `{exclude_line(broken)}`):",
            broken,
        )
    return replace(cohort, subjects=subjects)


def _tasks(subject: Subject) -> list[Task]:
    return [Task(path, kind, subject.classes) for kind, path in subject.scans.items()]


def _examine(tasks: Iterable[Task], known: KnownScans, each: Each) -> dict[Task, Examined]:
    keys = {task: _key(task) for task in tasks}
    found = {task: Examined(known.find(key)) for task, key in keys.items() if key and known.find(key)}
    if unread := [task for task in keys if task not in found]:
        found |= zip(unread, each(examine, unread), strict=True)
    sound = {key: found[task].identity for task, key in keys.items() if key and not found[task].defects}
    known.add({key: identity for key, identity in sound.items() if identity and not known.find(key)})
    return found


def _key(task: Task) -> str | None:
    try:
        key = content_key(task.path, task.kind)
    except InputError:
        return None  # Reading it will tell what is wrong.
    if key is None or task.classes == STUDY_CLASSES or not task.kind.startswith("labels"):
        return key
    return f"{key} {task.classes}"


def examine(task: Task) -> Examined:
    """Read and check one scan; never raises for a bad file."""
    image, defects = examine_scan(task.path, task.kind, task.classes)
    return Examined(None if image is None else identity_of(image), tuple(defects))


def _identified(subject: Subject, found: dict[Task, Examined]) -> Subject:
    identities = {task.kind: found[task].identity for task in _tasks(subject)}
    return replace(subject, identities={kind: known for kind, known in identities.items() if known})


def subject_notes(subject: Subject) -> list[str]:
    """Return what was assumed in reading a subject's scans, a sentence each (see `scan_notes`)."""
    return [
        f"{subject.sequences.shown(kind)}: {note}"
        for kind, path in subject.scans.items()
        for note in scan_notes(path)
    ]


def _add_repeated(findings: dict[str, list[str]], subjects: Iterable[Subject]) -> None:
    """Find images under two names, which would put a patient on both sides of a split."""
    owners: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for subject in subjects:
        for kind in IMAGES:
            if kind in subject.identities:
                shown = subject.sequences.shown(kind)
                owners[subject.identities[kind].values].append((subject.name, shown))
    for first, *others in owners.values():
        for name, kind in others:
            findings[name].append(f"{kind} is the same image as {first[1]} of {first[0]}")
