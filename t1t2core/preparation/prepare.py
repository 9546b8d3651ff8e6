"""From a subject's files to volumes that the network takes, and those volumes on disk."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from t1t2core.cohort.scan import read_scan
from t1t2core.cohort.subject import Subject
from t1t2core.errors import InputError
from t1t2core.preparation.alignment import Alignment, align, judge
from t1t2core.preparation.anatomy import Anatomy, ct_anatomy, mr_anatomy
from t1t2core.preparation.appearance import doubts
from t1t2core.preparation.grid import affine, covered, place_grid, resample, smooth, span, to_array, to_ras
from t1t2core.preparation.head import mr_head
from t1t2core.preparation.labels import head_hull
from t1t2core.preparation.normalisation import normalise
from t1t2core.preparation.threads import one_thread
from t1t2core.preparation.truth import Truth, TruthSource, read_source
from t1t2core.settings import SOURCE, TARGET, PreparationSettings, Sequence
from t1t2core.settings.classes import AIR, IGNORED, INTERNAL_AIR, STUDY_CLASSES, Classes

PREPARATION_VERSION = 3
"""Raised by hand when the same scans and settings give other volumes."""
FORMAT = "t1t2core.prepared"
FORMAT_VERSION = 3
UNJUDGED = "its label map marks parts of the head only, so how it lies on the scan was not judged: look at it"
SCAN_ARRAYS = ("image", "labels", "hull", "head", "affine", "hu")


class _OnVoxels:
    """Has an affine, (4, 4) from voxel to world coordinates, mm."""

    affine: np.ndarray

    @property
    def voxel_mm(self) -> tuple[float, float, float]:
        """Size of a voxel along each axis, mm."""
        x, y, z = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(x), float(y), float(z)


@dataclass(frozen=True, kw_only=True)
class PreparedImage(_OnVoxels):
    """An MR scan at the network's voxels: all of it, with the box in it that training takes.

    Args:
        image: normalised intensities (X, Y, Z), float32.
        affine: (4, 4), from voxel to RAS world coordinates of the scan, mm.
        head: bool (X, Y, Z), the head as the preparation found it.
        grid: the same lattice as an empty image.
        start: index (x, y, z) of the first voxel of the box of `settings.grid` voxels.
    """

    image: np.ndarray
    affine: np.ndarray
    head: np.ndarray
    grid: sitk.Image
    start: tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class WholeScan(_OnVoxels):
    """All of an MR scan at the network's voxels, with its classes.

    Args:
        image: normalised intensities (X, Y, Z), float32.
        labels: of the classes, 255 ignored (X, Y, Z), uint8.
        hull: the closed hull of the head (X, Y, Z), bool: air in it is internal air.
        head: the head as it was found in the MR (X, Y, Z), bool.
        affine: (4, 4), from voxel to RAS world coordinates of the scan, mm.
        start: index (x, y, z) of the first voxel of the box.
        hu: CT (X, Y, Z), int16, Hounsfield units; None where label maps stand in for it.
        classes: what the labels mean.
    """

    image: np.ndarray
    labels: np.ndarray
    hull: np.ndarray
    head: np.ndarray
    affine: np.ndarray
    start: tuple[int, int, int]
    hu: np.ndarray | None
    classes: Classes = STUDY_CLASSES

    def box(self, size: tuple[int, int, int]) -> tuple[slice, slice, slice]:
        """Return where the box of so many voxels lies."""
        return span(self.start, size)


@dataclass(frozen=True, kw_only=True)
class PreparedScan(_OnVoxels):
    """An MR scan with its tissue classes as the network takes it: the box around the head.

    Args:
        image: normalised intensities (X, Y, Z), float32.
        labels: of the classes, 255 ignored (X, Y, Z), uint8.
        hull: the closed hull of the head (X, Y, Z), bool: air in it is internal air.
        affine: (4, 4), from voxel to RAS world coordinates of the scan, mm.
        whole: all of the scan, of which this is a part.
    """

    image: np.ndarray
    labels: np.ndarray
    hull: np.ndarray
    affine: np.ndarray
    whole: WholeScan

    @classmethod
    def of(cls, whole: WholeScan, size: tuple[int, int, int]) -> "PreparedScan":
        """Cut the box of so many voxels out of a scan."""
        box, affine = whole.box(size), whole.affine.copy()
        affine[:3, 3] += whole.affine[:3, :3] @ whole.start
        cut = {name: np.ascontiguousarray(getattr(whole, name)[box]) for name in ("image", "labels", "hull")}
        return cls(**cut, affine=affine, whole=whole)

    @property
    def classes(self) -> Classes:
        """What the labels mean."""
        return self.whole.classes

    @property
    def slices_mm(self) -> tuple[float, float]:
        """How far up (the last of RAS) in the scan its lowest and its highest slice have their middle, mm."""
        x, y, z = self.image.shape
        lowest, highest = (self.affine @ [(x - 1) / 2, (y - 1) / 2, slice_, 1] for slice_ in (0, z - 1))
        return float(lowest[2]), float(highest[2])


@dataclass(frozen=True, kw_only=True)
class PreparedSubject:
    """A subject's volumes and how they came about.

    Args:
        name: the subject's.
        t1: scan of the source sequence.
        t2: that of the target sequence, None where the subject has none.
        alignment: of the labels with each sequence, by "T1" and "T2".
        volumes_ml: of the classes, of what is ignored, and of what only one of MR and CT shows (see
            `OutlineDifference`), by sequence.
        warnings: what a person should look at, a sentence each.
    """

    name: str
    t1: PreparedScan
    t2: PreparedScan | None
    alignment: dict[str, Alignment]
    volumes_ml: dict[str, dict[str, float]]
    warnings: tuple[str, ...] = ()

    def scan(self, sequence: Sequence) -> PreparedScan:
        """The scan of a sequence; ValueError where the subject has none."""
        found = self.t1 if sequence == SOURCE else self.t2
        if found is None:
            raise ValueError(f"subject {self.name} has no scan of the target sequence")
        return found


@one_thread()
def prepare_image(scan: sitk.Image, settings: PreparationSettings) -> PreparedImage:
    """Bring an MR scan, float32 in any orientation, to the network's voxels and intensities."""
    upright = to_ras(scan)
    return _prepare_upright(upright, mr_head(upright), settings)


def _prepare_upright(scan: sitk.Image, head: sitk.Image, settings: PreparationSettings) -> PreparedImage:
    grid = place_grid(scan, head, settings)
    at_voxels = resample(smooth(scan, settings.voxel_mm), grid.lattice)
    seen = covered(scan, grid.lattice)
    inside = to_array(sitk.Resample(head, grid.lattice, sitk.Transform(), sitk.sitkNearestNeighbor, 0)) > 0
    return PreparedImage(
        image=normalise(at_voxels, seen, inside, settings),
        affine=affine(grid.lattice),
        head=inside,
        grid=grid.lattice,
        start=grid.start,
    )


@one_thread()
def prepare_subject(subject: Subject, settings: PreparationSettings) -> PreparedSubject:
    """Prepare a subject's scans: align, resample, normalise, label.

    The same files and settings give the same numbers, bit for bit: it runs in one thread.

    Raises:
        InputError: a file cannot be used, or a sequence has neither CT nor label map.
    """
    ct = None
    if subject.ct:
        ct = TruthSource(anatomy=ct_anatomy(read_scan(subject.ct)), classes=subject.classes)
    hints: tuple[sitk.Transform, ...] = ()
    scans: dict[str, _Scan] = {}
    paths: tuple[tuple[Sequence, Path | None], ...] = ((SOURCE, subject.t1w), (TARGET, subject.t2w))
    for sequence, path in paths:
        if path is None:
            continue
        mr = mr_anatomy(read_scan(path))
        image = _prepare_upright(mr.scan, mr.head, settings)
        source = read_source(subject, sequence, mr, ct)
        to_ct, alignment = _place(mr, source, settings, hints)
        if source.space == "ct":
            hints = (to_ct,)
        truth = Truth.of(mr, source, to_ct)
        prepared = label_image(image, mr.scan, truth, settings)
        suffix = subject.sequences.suffix(sequence)
        doubtful = [
            *doubts(mr.scan, suffix, has_skull=subject.classes.is_study),
            *truth.difference.doubts(),
            *([UNJUDGED] if source.space == "parts" else []),
        ]
        scans[sequence] = _Scan(
            prepared,
            alignment,
            volumes_ml(prepared) | truth.difference.volumes_ml,
            [f"{suffix}: {doubt}" for doubt in doubtful],
        )
    return PreparedSubject(
        name=subject.name,
        t1=scans[SOURCE].prepared,
        t2=scans[TARGET].prepared if TARGET in scans else None,
        alignment={sequence: scan.alignment for sequence, scan in scans.items()},
        volumes_ml={sequence: scan.volumes_ml for sequence, scan in scans.items()},
        warnings=tuple(warning for scan in scans.values() for warning in scan.warnings),
    )


def _place(
    mr: Anatomy, source: TruthSource, settings: PreparationSettings, hints: tuple[sitk.Transform, ...]
) -> tuple[sitk.Transform, Alignment]:
    """Find where a CT or a label map lies in the world of a scan, and how well."""
    if source.space == "parts":
        place = sitk.Euler3DTransform()
        return place, judge({}, "given", place)
    if source.space == "own":
        # What others call bone may have the marrow in it, which is bright.
        return align(mr, source.anatomy, "given", by_bone=source.classes.is_study)
    if source.space == "other":
        return align(mr, source.anatomy, settings.registration, by_bone=False)
    return align(mr, source.anatomy, settings.registration, hints)


@dataclass(frozen=True)
class _Scan:
    """A prepared scan, and what is known of it."""

    prepared: PreparedScan
    alignment: Alignment
    volumes_ml: dict[str, float]
    warnings: list[str]


@one_thread()
def label_image(
    image: PreparedImage, scan: sitk.Image, truth: Truth, settings: PreparationSettings
) -> PreparedScan:
    """Join a prepared image and its labels; those that cannot be told are ignored.

    Args:
        scan: that the image was made of.
    """
    labels = truth.labels(scan, image.grid, settings)
    whole = WholeScan(
        image=image.image,
        labels=labels,
        hull=_hull(labels, image, truth.source, settings),
        head=image.head,
        affine=image.affine,
        start=image.start,
        hu=truth.hu(image.grid),
        classes=truth.source.classes,
    )
    return PreparedScan.of(whole, settings.grid)


def _hull(
    labels: np.ndarray, image: PreparedImage, source: TruthSource, settings: PreparationSettings
) -> np.ndarray:
    """Closed hull of the head: by the labels, or as the scan shows it where these are of parts of it."""
    if source.space == "parts" or source.classes.outside is None:
        return image.head & (labels != IGNORED)
    return head_hull(labels, settings.voxel_mm, source.classes)


def volumes_ml(scan: PreparedScan) -> dict[str, float]:
    """Volume of each class in a scan, ml; of air, that inside the head."""
    voxel_ml, classes = float(np.prod(scan.voxel_mm)) / 1000, scan.classes
    counts = {name: scan.labels == classes.labels[name] for name in classes.order if name != AIR}
    if AIR in classes.labels:
        counts[INTERNAL_AIR] = (scan.labels == classes.labels[AIR]) & scan.hull
    counts["ignored"] = scan.labels == IGNORED
    return {name: round(float(mask.sum() * voxel_ml), 1) for name, mask in counts.items()}


def save_prepared(prepared: PreparedSubject, path: Path) -> None:
    """Write volumes and findings as one safetensors file, complete or not at all."""
    tensors: dict[str, np.ndarray] = {}
    boxes: dict[str, Any] = {}
    for sequence, scan in (("t1", prepared.t1), ("t2", prepared.t2)):
        if scan is not None:
            arrays = {name: getattr(scan.whole, name) for name in SCAN_ARRAYS}
            tensors |= {
                f"{sequence}_{name}": np.ascontiguousarray(array)
                for name, array in arrays.items()
                if array is not None
            }
            boxes[sequence] = {"start": scan.whole.start, "size": scan.image.shape}
    about = {
        "format_version": FORMAT_VERSION,
        "preparation_version": PREPARATION_VERSION,
        "name": prepared.name,
        "boxes": boxes,
        "alignment": {sequence: asdict(alignment) for sequence, alignment in prepared.alignment.items()},
        "volumes_ml": prepared.volumes_ml,
        "warnings": prepared.warnings,
        "classes": asdict(prepared.t1.classes),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        save_file(tensors, partial, metadata={FORMAT: json.dumps(about)})
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def load_prepared(path: Path) -> PreparedSubject:
    """Read what `save_prepared` wrote.

    Raises:
        InputError: the file is missing, damaged, of another kind or of another format version.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            about = json.loads((file.metadata() or {}).get(FORMAT, "{}"))
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (no mapping)
    except (OSError, SafetensorError, ValueError) as error:
        raise InputError(f"{path}: not a whole file of prepared volumes ({error}); delete it") from None
    if about.get("format_version") != FORMAT_VERSION:
        found = about.get("format_version", "none")
        raise InputError(f"{path}: format version {found}, expected {FORMAT_VERSION}; delete it")
    classes = _classes_of(about.get("classes"))
    scans = {sequence: _scan_of(tensors, sequence, box, classes) for sequence, box in about["boxes"].items()}
    return PreparedSubject(
        name=about["name"],
        t1=scans["t1"],
        t2=scans.get("t2"),
        alignment={sequence: Alignment(**values) for sequence, values in about["alignment"].items()},
        volumes_ml=about["volumes_ml"],
        warnings=tuple(about["warnings"]),
    )


def _classes_of(described: dict[str, Any] | None) -> Classes:
    """Return the classes of a file; those of the study where it is older than there were others."""
    if described is None:
        return STUDY_CLASSES
    lists = {name: tuple(value) for name, value in described.items() if isinstance(value, list)}
    ranges = tuple(None if one is None else tuple(one) for one in described["ranges"])
    return Classes(**{**described, **lists, "ranges": ranges})


def _scan_of(
    tensors: dict[str, np.ndarray], sequence: str, box: dict[str, Any], classes: Classes
) -> PreparedScan:
    named = {name: tensors.get(f"{sequence}_{name}") for name in SCAN_ARRAYS}
    x, y, z = box["start"]
    return PreparedScan.of(WholeScan(**named, start=(x, y, z), classes=classes), tuple(box["size"]))  # type: ignore[arg-type]
