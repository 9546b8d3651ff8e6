"""Who was scanned: a subject's files, and the cohort they make."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from t1t2core.cohort.identity import Identity, read_identity

KINDS = ("t1w", "t2w", "ct", "labels_t1w", "labels_t2w")
"""What a subject's scans are."""


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
        characteristics: what else is known of the patient, as text by column: sex, age, site.
        identities: of the scans that were read already, by what they are (see `check_cohort`).
    """

    name: str
    t1w: Path
    t2w: Path | None = None
    ct: Path | None = None
    labels_t1w: Path | None = None
    labels_t2w: Path | None = None
    characteristics: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    identities: Mapping[str, Identity] = field(default_factory=dict, compare=False, repr=False)

    @property
    def scans(self) -> dict[str, Path]:
        """The files that are there, by what they are."""
        found = {kind: getattr(self, kind) for kind in KINDS}
        return {kind: path for kind, path in found.items() if path is not None}

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over what is read from the files and what each is; names, places and formats do not count.

        Raises:
            InputError: a scan cannot be read.
        """
        digest = hashlib.sha256()
        for kind, path in sorted(self.scans.items()):
            known = self.identities.get(kind) or read_identity(path, kind)
            digest.update(f"{kind}\0{known.scan}\n".encode())
        return digest.hexdigest()


@dataclass(frozen=True, kw_only=True)
class Cohort:
    """The subjects of a study.

    Args:
        name: what reports call it.
        subjects: in the order of their names.
        simulated: no real scans, so that comparing scores with published ones means nothing.
        left_out: who is not among them, or whose T2w scan is not, though nobody excluded them; with why.
        warnings: what was passed over in the table of its patients.
    """

    name: str
    subjects: tuple[Subject, ...]
    simulated: bool = False
    left_out: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def with_t2w(self) -> tuple[Subject, ...]:
        """Subjects that have a T2-weighted scan."""
        return tuple(subject for subject in self.subjects if subject.t2w is not None)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the subjects' names and what is read from their scans."""
        digest = hashlib.sha256()
        for subject in self.subjects:
            digest.update(f"{subject.name}\0{subject.fingerprint}\n".encode())
        return digest.hexdigest()
