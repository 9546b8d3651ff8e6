"""From a subject's files to volumes that the network takes, and those volumes on disk."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from t1t2core.cohort.scan import read_labels, read_scan
from t1t2core.cohort.subject import Subject
from t1t2core.errors import InputError
from t1t2core.preparation.alignment import Alignment, given, judge, measure
from t1t2core.preparation.grid import affine, covered, place_grid, resample, smooth, to_array, to_ras
from t1t2core.preparation.head import ct_head, mr_head, remove_table
from t1t2core.preparation.labels import (
    AIR,
    BONE,
    IGNORED,
    SOFT_TISSUE,
    head_hull,
    label_from_ct,
    label_from_map,
)
from t1t2core.preparation.normalisation import normalise
from t1t2core.preparation.registration import register
from t1t2core.preparation.threads import one_thread
from t1t2core.settings import PreparationSettings, Sequence

PREPARATION_VERSION = 2
"""Raised by hand when the same scans and settings give other volumes."""
FORMAT = "t1t2core.prepared"
FORMAT_VERSION = 1
SCAN_ARRAYS = ("image", "labels", "hull", "affine")


@dataclass(frozen=True, kw_only=True)
class PreparedImage:
    """An MR scan as the network takes it.

    Args:
        image: normalised intensities (X, Y, Z), float32.
        affine: (4, 4), from voxel to RAS world coordinates of the scan, mm.
        head: bool (X, Y, Z), the head as the preparation found it.
        grid: the same grid as an empty image.
        start: index (x, y, z) of the first voxel of the box of `settings.grid` voxels.
    """

    image: np.ndarray
    affine: np.ndarray
    head: np.ndarray
    grid: sitk.Image
    start: tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class PreparedScan:
    """An MR scan with its tissue classes.

    Args:
        image: normalised intensities (X, Y, Z), float32.
        labels: 0 air, 1 soft tissue, 2 bone, 255 ignored (X, Y, Z), uint8.
        hull: the closed hull of the head (X, Y, Z), bool: air in it is internal air.
        affine: (4, 4), from voxel to RAS world coordinates of the scan, mm.
    """

    image: np.ndarray
    labels: np.ndarray
    hull: np.ndarray
    affine: np.ndarray

    @property
    def voxel_mm(self) -> tuple[float, float, float]:
        """Size of a voxel along each axis, mm."""
        x, y, z = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(x), float(y), float(z)

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
        t1: T1w scan.
        t2: T2w scan, None where the subject has none.
        alignment: of the labels with each sequence, by "T1" and "T2".
        volumes_ml: of bone, soft_tissue, internal_air and ignored, by sequence.
    """

    name: str
    t1: PreparedScan
    t2: PreparedScan | None
    alignment: dict[str, Alignment]
    volumes_ml: dict[str, dict[str, float]]

    def scan(self, sequence: Sequence) -> PreparedScan:
        """The scan of a sequence; ValueError where the subject has none."""
        found = self.t1 if sequence == "T1" else self.t2
        if found is None:
            raise ValueError(f"subject {self.name} has no {sequence}w scan")
        return found


@one_thread()
def prepare_image(scan: sitk.Image, settings: PreparationSettings, *, whole: bool = False) -> PreparedImage:
    """Bring an MR scan to the network's voxels and intensities.

    Args:
        scan: float32, any orientation.
        whole: all of the scan instead of the box of `settings.grid` voxels; the voxels of the box are among
            those of the whole scan, with the same values.
    """
    upright = to_ras(scan)
    return _prepare_upright(upright, mr_head(upright), settings, whole)


def _prepare_upright(
    scan: sitk.Image, head: sitk.Image, settings: PreparationSettings, whole: bool
) -> PreparedImage:
    grid = place_grid(scan, head, settings)
    at_voxels = resample(smooth(scan, settings.voxel_mm), grid.lattice)
    seen = covered(scan, grid.lattice)
    inside = to_array(sitk.Resample(head, grid.lattice, sitk.Transform(), sitk.sitkNearestNeighbor, 0)) > 0
    image = normalise(at_voxels, seen, inside, settings)
    place = grid.lattice if whole else grid.box
    return PreparedImage(
        image=image if whole else grid.crop(image),
        affine=affine(place),
        head=inside if whole else grid.crop(inside),
        grid=place,
        start=grid.start if whole else (0, 0, 0),
    )


@dataclass(frozen=True, kw_only=True)
class _Anatomy:
    """A scan with its axes near RAS, and its head."""

    scan: sitk.Image
    head: sitk.Image


@one_thread()
def prepare_subject(subject: Subject, settings: PreparationSettings) -> PreparedSubject:
    """Prepare a subject's scans: align, resample, normalise, label.

    The same files and settings give the same numbers, bit for bit: it runs in one thread.

    Raises:
        InputError: a file cannot be used, or a sequence has neither CT nor label map.
    """
    ct = _read_ct(subject.ct) if subject.ct else None
    hints: tuple[sitk.Transform, ...] = ()
    scans, alignment = {}, {}
    for sequence, path, label_path in (
        ("T1", subject.t1w, subject.labels_t1w),
        ("T2", subject.t2w, subject.labels_t2w),
    ):
        if path is None:
            continue
        upright = to_ras(read_scan(path))
        mr = _Anatomy(scan=upright, head=mr_head(upright))
        prepared = _prepare_upright(mr.scan, mr.head, settings, whole=False)
        if label_path is not None:
            labels = label_from_map(read_labels(label_path), prepared.grid, settings)
            alignment[sequence] = given()
        elif ct is not None:
            to_ct, alignment[sequence] = _align(mr, ct, settings, hints)
            hints = (to_ct,)
            labels = label_from_ct(ct.scan, to_ct, prepared.grid, settings)
        else:
            raise InputError(f"subject {subject.name}: {sequence} has neither a CT nor a label map")
        labels[~covered(mr.scan, prepared.grid)] = IGNORED
        hull = head_hull(labels, settings.voxel_mm)
        scans[sequence] = PreparedScan(image=prepared.image, labels=labels, hull=hull, affine=prepared.affine)
    return PreparedSubject(
        name=subject.name,
        t1=scans["T1"],
        t2=scans.get("T2"),
        alignment=alignment,
        volumes_ml={sequence: volumes_ml(scan) for sequence, scan in scans.items()},
    )


def _read_ct(path: Path) -> _Anatomy:
    """A CT and the head in it, everything else set to air."""
    ct = to_ras(read_scan(path))
    head = ct_head(ct)
    return _Anatomy(scan=remove_table(ct, head), head=head)


def _align(
    mr: _Anatomy, ct: _Anatomy, settings: PreparationSettings, hints: tuple[sitk.Transform, ...]
) -> tuple[sitk.Transform, Alignment]:
    """Where the CT lies, and how well."""
    to_ct: sitk.Transform = sitk.Euler3DTransform()
    found: dict[str, float] = {}
    if settings.registration == "rigid":
        registration = register(mr.scan, ct.scan, mr.head, ct.head, hints)
        to_ct, found = registration.to_ct, {"restart_mm": registration.restart_mm}
    measures = found | measure(mr.scan, ct.scan, mr.head, ct.head, to_ct)
    return to_ct, judge(measures, settings.registration, to_ct)


def volumes_ml(scan: PreparedScan) -> dict[str, float]:
    """Volume of each tissue in a scan, ml."""
    voxel_ml = float(np.prod(scan.voxel_mm)) / 1000
    counts = {
        "bone": scan.labels == BONE,
        "soft_tissue": scan.labels == SOFT_TISSUE,
        "internal_air": (scan.labels == AIR) & scan.hull,
        "ignored": scan.labels == IGNORED,
    }
    return {tissue: round(float(mask.sum() * voxel_ml), 1) for tissue, mask in counts.items()}


def save_prepared(prepared: PreparedSubject, path: Path) -> None:
    """Write volumes and findings as one safetensors file, complete or not at all."""
    tensors: dict[str, np.ndarray] = {}
    for sequence, scan in (("t1", prepared.t1), ("t2", prepared.t2)):
        if scan is not None:
            tensors |= {
                f"{sequence}_{name}": np.ascontiguousarray(value) for name, value in vars(scan).items()
            }
    about = {
        "format_version": FORMAT_VERSION,
        "preparation_version": PREPARATION_VERSION,
        "name": prepared.name,
        "alignment": {sequence: asdict(alignment) for sequence, alignment in prepared.alignment.items()},
        "volumes_ml": prepared.volumes_ml,
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
    scans = {
        sequence: PreparedScan(**{name: tensors[f"{sequence}_{name}"] for name in SCAN_ARRAYS})
        for sequence in ("t1", "t2")
        if f"{sequence}_image" in tensors
    }
    return PreparedSubject(
        name=about["name"],
        t1=scans["t1"],
        t2=scans.get("t2"),
        alignment={sequence: Alignment(**values) for sequence, values in about["alignment"].items()},
        volumes_ml=about["volumes_ml"],
    )
