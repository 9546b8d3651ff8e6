"""What the names of BIDS files tell of their scans, such as `sub-01_ses-pre_acq-fast_run-1_T1w.nii.gz`."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

ENTITIES = {
    "acquisition": "acq",
    "ceagent": "ce",
    "chunk": "chunk",
    "density": "den",
    "description": "desc",
    "direction": "dir",
    "echo": "echo",
    "flip": "flip",
    "hemisphere": "hemi",
    "inversion": "inv",
    "modality": "mod",
    "mtransfer": "mt",
    "part": "part",
    "processing": "proc",
    "reconstruction": "rec",
    "recording": "recording",
    "resolution": "res",
    "run": "run",
    "sample": "sample",
    "session": "ses",
    "space": "space",
    "split": "split",
    "stain": "stain",
    "task": "task",
    "tracer": "trc",
}
"""Names of the entities that tell scans of a subject apart, and what stands for them in file names.

(https://bids-specification.readthedocs.io/en/stable/appendices/entities.html)
"""

INDICES = frozenset({"chunk", "echo", "flip", "inv", "run", "split"})
"""Entities whose values are numbers, so that 1 is 01; those of the others are texts."""

NO_MAGNITUDE = frozenset({"imag", "phase", "real"})
"""Parts of a complex image of which none looks like a scan."""

CT, LABELS = "ct", "dseg"
"""Suffixes of computed tomography and of label maps."""

_LONG = {short: name for name, short in ENTITIES.items()}
_FILE = re.compile(r"(?P<entities>(?:[A-Za-z]+-[A-Za-z0-9+]+_)+)(?P<kind>[A-Za-z0-9]+)\.nii(?:\.gz)?")


@dataclass(frozen=True)
class BidsFile:
    """A scan by its name.

    Args:
        path: the file.
        kind: suffix of its name.
        entities: the labels in its name by short entity, `sub` included; `ses` is that of its folder.
        astray: the folder whose subject or session its name does not say, or nothing.
    """

    path: Path
    kind: str
    entities: Mapping[str, str]
    astray: str

    def has(self, entity: str, label: str | None) -> bool:
        """Tell whether this is its label of the (short) entity; with None, whether it has none."""
        return is_same(entity, self.entities.get(entity), label)


def place_of(kind: str) -> str:
    """Return the folder of a kind of scan, under a subject or a session."""
    return CT if kind == CT else "anat"


def find_files(subject: Path, kinds: Iterable[str] | None = None) -> list[BidsFile]:
    """The scans in a subject's folder, without the phase and the like of a complex image.

    Args:
        kinds: in this order; None: all.
    """
    found = []
    for level in _levels(subject):
        for place in ("anat", CT):
            for path in sorted((level / place).glob("*")):
                match = _FILE.fullmatch(path.name)
                if match and place_of(match["kind"]) == place:
                    found.append(_file(path, match["kind"], match["entities"], [subject, level]))
    whole = [file for file in found if file.entities.get("part") not in NO_MAGNITUDE]
    return whole if kinds is None else [file for kind in kinds for file in whole if file.kind == kind]


def folders_of(subject: Path) -> list[tuple[str | None, Path]]:
    """Folders where a subject's scans lie, or would lie if they were there, each with its session."""
    return [
        (level.name.removeprefix("ses-") if level != subject else None, folder)
        for level in _levels(subject)
        for folder in (level, level / "anat", level / CT)
    ]


def short_name(entity: str) -> str:
    """`acq` for `acquisition` or `acq`."""
    return ENTITIES.get(entity, entity)


def long_name(entity: str) -> str:
    """`acquisition` for `acq`."""
    return _LONG.get(entity, entity)


def is_same(entity: str, label: str | None, wanted: str | None) -> bool:
    """Compare a label with the one that is wanted, be it written `1`, `01` or `run-1`."""
    if label is None or wanted is None:
        return label is wanted
    wanted = wanted.removeprefix(f"{entity}-")
    if entity in INDICES and wanted:
        return label.lstrip("0") == wanted.lstrip("0")
    return label == wanted


def listed(labels: Iterable[str | None]) -> str:
    """Labels in a line."""
    return ", ".join(sorted("(none)" if label is None else label for label in set(labels)))


def _levels(subject: Path) -> list[Path]:
    """The subject's folder and those of its sessions, links to nothing included."""
    sessions = (path for path in subject.glob("ses-*") if path.is_dir() or path.is_symlink())
    return [subject, *sorted(sessions)]


def _file(path: Path, kind: str, entities: str, folders: list[Path]) -> BidsFile:
    labels = dict(part.split("-", 1) for part in entities.rstrip("_").split("_"))
    astray = ""
    for folder in folders:
        entity, _, label = folder.name.partition("-")
        if labels.get(entity, label) != label:
            astray = "its folder" if entity == "sub" else folder.name
        labels[entity] = label
    return BidsFile(path, kind, labels, astray)
