"""Who was scanned: a subject's files, and the cohort they make."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path

from t1t2core.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One patient's scans.

    Args:
        name: label of the patient, unique in its cohort.
        t1w: T1-weighted head scan (a file, or the folder of a DICOM series).
        t2w: T2-weighted head scan, or None.
        ct: CT in Hounsfield units, or None where label maps stand in for it.
        labels_t1w: label map (0 air, 1 soft tissue, 2 bone) in the space of `t1w`, in place of `ct`.
        labels_t2w: the same in the space of `t2w`.
    """

    name: str
    t1w: Path
    t2w: Path | None = None
    ct: Path | None = None
    labels_t1w: Path | None = None
    labels_t2w: Path | None = None

    @property
    def scans(self) -> dict[str, Path]:
        """The files that are there, by what they are."""
        found = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "name"}
        return {kind: path for kind, path in found.items() if path is not None}

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the content of the files and what each is; names and places do not count.

        Raises:
            InputError: a file cannot be read.
        """
        digest = hashlib.sha256()
        for kind, path in sorted(self.scans.items()):
            digest.update(kind.encode())
            for file in _files(path):
                digest.update(_digest(file))
        return digest.hexdigest()


@dataclass(frozen=True, kw_only=True)
class Cohort:
    """The subjects of a study.

    Args:
        name: what reports call it.
        subjects: in the order of their names.
        simulated: no real scans, so that comparing scores with published ones means nothing.
        left_out: who is not among them, or whose T2w scan is not, though nobody excluded them; with why.
    """

    name: str
    subjects: tuple[Subject, ...]
    simulated: bool = False
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def with_t2w(self) -> tuple[Subject, ...]:
        """Those that have a T2-weighted scan."""
        return tuple(subject for subject in self.subjects if subject.t2w is not None)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the subjects' names and files' content."""
        digest = hashlib.sha256()
        for subject in self.subjects:
            digest.update(f"{subject.name}\0{subject.fingerprint}\n".encode())
        return digest.hexdigest()


def _files(path: Path) -> list[Path]:
    """The file, or those in the folder; pipes, folders and links to nothing in it hold no voxels."""
    return sorted(file for file in path.iterdir() if file.is_file()) if path.is_dir() else [path]


def _digest(file: Path) -> bytes:
    if not file.is_file():
        raise InputError(f"{file}: there is no such file")
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").digest()
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror})") from None
