"""Who was scanned: a subject's files, and the cohort they make."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path

from t1t2core.cohort.identity import Identity, read_identity
from t1t2core.settings import SOURCE
from t1t2core.settings.classes import STUDY_CLASSES, Classes

KINDS = ("t1w", "t2w", "ct", "labels_t1w", "labels_t2w")
"""What a subject's scans are: `t1w` is of the source sequence and `t2w` of the target, whatever these are."""


@dataclass(frozen=True, kw_only=True)
class Sequences:
    """What the two sequences are called by those who scanned them.

    Args:
        source: suffix of the sequence that networks are pretrained on, `T1` in files.
        target: that of the one they are brought to, `T2` in files.
    """

    source: str = "T1w"
    target: str = "T2w"

    def suffix(self, sequence: str) -> str:
        """Return what readers call a sequence."""
        return self.source if sequence == SOURCE else self.target

    def shown(self, kind: str) -> str:
        """Return what users call a scan of a kind: `labels_flair` for `labels_t2w`."""
        *labels, own = kind.rsplit("_", 1)
        names = {"t1w": self.source.lower(), "t2w": self.target.lower()}
        return "_".join([*labels, names.get(own, own)])


STUDY_SEQUENCES = Sequences()


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One patient's scans.

    Args:
        name: label of the patient, unique in its cohort.
        t1w: head scan of the source sequence (a file, or the folder of a DICOM series).
        t2w: that of the target sequence, or None.
        ct: CT in Hounsfield units, or None where label maps stand in for it.
        labels_t1w: label map in the space of `t1w`, in place of `ct`.
        labels_t2w: the same in the space of `t2w`; where only one of the two is there, it serves both scans.
        sequences: what the two are called.
        classes: what label maps and CT tell apart.
        characteristics: what else is known of the patient, as text by column: sex, age, site.
        identities: of the scans that were read already, by what they are (see `check_cohort`).
    """

    name: str
    t1w: Path
    t2w: Path | None = None
    ct: Path | None = None
    labels_t1w: Path | None = None
    labels_t2w: Path | None = None
    sequences: Sequences = STUDY_SEQUENCES
    classes: Classes = STUDY_CLASSES
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
            known = self.identities.get(kind) or read_identity(path, kind, self.classes)
            digest.update(f"{kind}\0{known.scan}\n".encode())
        if self.classes != STUDY_CLASSES:
            digest.update(json.dumps(asdict(self.classes)).encode())
        return digest.hexdigest()


@dataclass(frozen=True, kw_only=True)
class Cohort:
    """The subjects of a study.

    Args:
        name: what reports call it.
        subjects: in the order of their names.
        simulated: no real scans, so that comparing scores with published ones means nothing.
        left_out: who is not among them, or whose target scan is not, though nobody excluded them; with why.
        warnings: what was passed over in the table of its patients.
        sequences: what the two are called.
        classes: what its label maps and CTs tell apart.
    """

    name: str
    subjects: tuple[Subject, ...]
    simulated: bool = False
    left_out: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    sequences: Sequences = STUDY_SEQUENCES
    classes: Classes = STUDY_CLASSES

    @property
    def with_t2w(self) -> tuple[Subject, ...]:
        """Subjects that have a scan of the target sequence."""
        return tuple(subject for subject in self.subjects if subject.t2w is not None)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the subjects' names and what is read from their scans."""
        digest = hashlib.sha256()
        for subject in self.subjects:
            digest.update(f"{subject.name}\0{subject.fingerprint}\n".encode())
        return digest.hexdigest()
