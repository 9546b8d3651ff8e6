"""Prepared volumes in object storage: made once for a subject and its settings, reused by every run."""

import random
import tempfile
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from functools import partial
from pathlib import Path

from ablation.compat import cores
from ablation.plan.digest import digest_of
from ablation.store.processes import helpers
from ablation.store.storage import Storage
from t1t2core.cohort.subject import Cohort, Subject
from t1t2core.errors import InputError
from t1t2core.preparation.cohort import check_prepared, check_volumes
from t1t2core.preparation.prepare import (
    PREPARATION_VERSION,
    PreparedSubject,
    load_prepared,
    prepare_subject,
    save_prepared,
)
from t1t2core.settings import PreparationSettings, identity

FOLDER = "prepared"
Progress = Callable[[int, int], None]
"""A function that is told how many subjects are done, and of how many."""


def prepare_cohort(
    cohort: Cohort, settings: PreparationSettings, storage: Storage, progress: Progress
) -> dict[str, PreparedSubject]:
    """Return the volumes of every subject by name; those that storage lacks are made and put there.

    Raises:
        SubjectsError: names every subject whose volumes cannot be made, whose CT or label map does not lie on
            its MR, or who copies another.
        InputError: a process was killed.
    """
    prepared, findings = prepare_each(cohort, settings, storage, progress)
    check_volumes(cohort, findings)
    check_prepared(cohort, prepared.values())
    return prepared


def prepare_each(
    cohort: Cohort, settings: PreparationSettings, storage: Storage, progress: Progress
) -> tuple[dict[str, PreparedSubject], dict[str, list[str]]]:
    """Return the volumes of subjects by name, as `prepare_cohort`, and why those of others cannot be made.

    Raises:
        InputError: a process was killed.
    """
    findings: dict[str, list[str]] = {}
    if missing := missing_volumes(cohort, settings, storage):
        try:
            findings = _prepare(missing, settings, storage, progress)
        except BrokenProcessPool as error:
            left = ", ".join(subject.name for subject in missing_volumes(cohort, settings, storage))
            raise InputError(
                f"preparing volumes: a process was killed, most likely for lack of memory; not prepared yet: "
                f"{left}; re-run the same command to resume"
            ) from error
    # Stored under its content: another cohort may have given the same scans another name.
    there = [subject for subject in cohort.subjects if subject.name not in findings]
    return {s.name: replace(_load(s, settings, storage), name=s.name) for s in there}, findings


def missing_volumes(cohort: Cohort, settings: PreparationSettings, storage: Storage) -> list[Subject]:
    """Return the subjects whose volumes are not in storage."""
    return [subject for subject in cohort.subjects if not storage.has(_name(subject, settings))]


def _prepare(
    subjects: list[Subject], settings: PreparationSettings, storage: Storage, progress: Progress
) -> dict[str, list[str]]:
    """Prepare volumes in as many processes as there are cores, here, where the scans are.

    Returns:
        Why some cannot be made, by the subject's name.
    """
    findings = {}
    with helpers(min(len(subjects), cores())) as pool:
        work = partial(_prepare_one, settings=settings, address=storage.address)
        # In any order: several drivers that begin together share them out.
        order = random.sample(subjects, len(subjects))
        for done, (subject, found) in enumerate(zip(order, pool.map(work, order), strict=True), start=1):
            if found:
                findings[subject.name] = [found]
            progress(done, len(subjects))
    return findings


def _prepare_one(subject: Subject, settings: PreparationSettings, address: str) -> str:
    """Put a subject's volumes into storage; say why they cannot be made."""
    if Storage(address).has(_name(subject, settings)):
        return ""  # another driver has made them meanwhile
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "prepared.safetensors"
        try:
            save_prepared(prepare_subject(subject, settings), path)
        except InputError as error:
            return str(error)
        Storage(address).write(_name(subject, settings), path.read_bytes())
    return ""


def _load(subject: Subject, settings: PreparationSettings, storage: Storage) -> PreparedSubject:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "prepared.safetensors"
        path.write_bytes(storage.read(_name(subject, settings)))
        return load_prepared(path)


def _name(subject: Subject, settings: PreparationSettings) -> str:
    content = {
        "scans": subject.fingerprint,
        "settings": identity(settings),
        "version": PREPARATION_VERSION,
    }
    return f"{FOLDER}/{digest_of(content)}.safetensors"
