"""A cohort from wherever it lies, and the check of all its scans."""

import hashlib
from collections import defaultdict
from pathlib import Path

import SimpleITK as sitk

from t1t2core.cohort.bids import read_bids
from t1t2core.cohort.manifest import read_manifest
from t1t2core.cohort.names import exclude_line
from t1t2core.cohort.scan import examine_scan
from t1t2core.cohort.subject import Cohort, Subject
from t1t2core.cohort.text import is_there
from t1t2core.errors import InputError
from t1t2core.settings import CohortSettings


def read_cohort(source: Path, settings: CohortSettings) -> Cohort:
    """Read which scans a cohort has, less the excluded subjects; the scans themselves are not opened.

    Args:
        source: a BIDS folder (see `read_bids`) or a CSV table (see `read_manifest`).
        settings: which subjects and which of their scans to use.

    Raises:
        InputError: there is no such cohort, or it cannot be used as it is.
    """
    if is_there(source) and source.is_dir():
        return read_bids(
            source,
            session=settings.session,
            run=settings.run,
            select=settings.select,
            exclude=settings.exclude,
        )
    if not is_there(source):
        raise InputError(f"{source}: there is no such cohort (a BIDS folder or a .csv table is expected)")
    if source.suffix.lower() != ".csv":
        raise InputError(f"{source}: a cohort is a BIDS folder or a .csv table")
    return read_manifest(source, exclude=settings.exclude)


def check_cohort(cohort: Cohort) -> None:
    """Open every scan of the cohort and check it (see `check_scan`).

    Raises:
        InputError: names every subject and file that cannot be used, one scan that stands for two, and
            the setting that leaves those subjects out.
    """
    findings: dict[str, list[str]] = defaultdict(list)
    owners: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for subject in cohort.subjects:
        images = {}
        for kind, path in subject.scans.items():
            image, defects = examine_scan(path, kind)
            findings[subject.name] += [f"{kind} ({path}): {defect}" for defect in defects]
            if image is not None:
                images[kind] = image
        findings[subject.name] += _misplaced_labels(subject, images)
        for kind in images.keys() & {"t1w", "t2w", "ct"}:
            owners[_digest(images[kind])].append((subject.name, kind))
    _add_repeated(findings, owners)
    broken = [name for name, defects in findings.items() if defects]
    if broken:
        raise InputError.collect(
            f"{len(broken)} of {len(cohort.subjects)} subjects of {cohort.name} have unusable scans "
            f"(to leave them out: `{exclude_line(broken)}`):",
            [f"{name}: {defect}" for name in broken for defect in findings[name]],
        )


def _misplaced_labels(subject: Subject, images: dict[str, sitk.Image]) -> list[str]:
    """Label maps that do not lie on their scan: the scan's centre is outside them."""
    findings = []
    for kind in ("t1w", "t2w"):
        labels, scan = images.get(f"labels_{kind}"), images.get(kind)
        if labels is None or scan is None:
            continue
        centre = scan.TransformContinuousIndexToPhysicalPoint([(length - 1) / 2 for length in scan.GetSize()])
        index = labels.TransformPhysicalPointToContinuousIndex(centre)
        if not all(0 <= at <= length - 1 for at, length in zip(index, labels.GetSize(), strict=True)):
            path = subject.scans[f"labels_{kind}"]
            findings.append(f"labels_{kind} ({path}): lies beside its {kind} scan; both must be in one space")
    return findings


def _digest(image: sitk.Image) -> str:
    """What tells two scans' voxels apart, in whatever format they are stored."""
    return hashlib.sha256(sitk.GetArrayViewFromImage(image).data).hexdigest()


def _add_repeated(findings: dict[str, list[str]], owners: dict[str, list[tuple[str, str]]]) -> None:
    """One scan under two names would put a patient on both sides of a split."""
    for users in owners.values():
        first, *others = users
        for name, kind in others:
            findings[name].append(f"{kind} is the same image as {first[1]} of {first[0]}")
