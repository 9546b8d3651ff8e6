"""The built-in cohort of digital heads: a BIDS folder of simulated T1w, T2w and CT scans."""

import gzip
import json
import math
import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import SimpleITK as sitk

from t1t2core.cohort import phantom_signal as signal
from t1t2core.cohort.phantom_anatomy import Anatomy, draw_anatomy
from t1t2core.cohort.phantom_shapes import Array, smooth_noise
from t1t2core.errors import InputError

VERSION = 2
DESCRIPTION = "dataset_description.json"
DERIVATIVE = Path("derivatives", "tissues")
ANATOMY_VOXEL = 0.75  # of the MR voxel: fine enough for its partial volumes

MOST_SUBJECTS = 1000  # a few seconds and megabytes each

MR_LOW_CORNER, MR_HIGH_CORNER = (-90.0, -100.0, -96.0), (90.0, 120.0, 94.0)
CT_LOW_CORNER, CT_HIGH_CORNER = (-120.0, -130.0, -100.0), (120.0, 130.0, 104.0)
CT_VOXEL = (0.75, 0.75, 1.0)  # of the MR voxel
SHORT_SLABS = 0.3  # share of subjects whose CT ends above the jaw
SHORT_SLAB_RISE_MM = (18.0, 32.0)
PLACEMENT_JITTER_MM = 3.0

MR_POSE = (5.0, 4.0)  # at most, mm and degrees: how the head lies in the MR scanner
CT_POSE = (10.0, 6.0)  # CT against T1w
T2W_POSE = (1.5, 1.0)  # T2w against T1w: the patient moved a little between the two

BIAS = (0.1, 0.3)  # half the range of the receive field
BIAS_WAVELENGTH_MM = 220.0
MR_NOISE = (0.02, 0.04)  # of the signal of white matter
WHITE_MATTER = (200.0, 1200.0)  # stored value, another one in each scan
CT_NOISE_HU = (16.0, 24.0)
CT_RANGE_HU = (-1024, 3071)
HOLDER_HU, HOLDER_MM, HOLDER_GAP_MM, HOLDER_ANGLE = 150.0, 3.0, 4.0, math.radians(55)


@dataclass(frozen=True)
class _Plan:
    """All that decides the bytes of a phantom folder."""

    version: int
    subjects: int
    with_t2w: int
    voxel_mm: float
    seed: int
    labelled: bool

    def described(self) -> dict[str, Any]:
        """Return what the folder says of itself; heads without labels are older than those with them."""
        return {name: value for name, value in asdict(self).items() if name != "labelled" or value}


def write_phantom(
    folder: Path,
    *,
    subjects: int = 20,
    with_t2w: int = 14,
    voxel_mm: float = 2.0,
    seed: int = 0,
    labelled: bool = False,
) -> Path:
    """Write the digital heads as a BIDS dataset, unless they are there already; the same bytes every time.

    Args:
        folder: where; it appears whole or not at all.
        subjects: heads; each has T1w and CT.
        with_t2w: how many of them, drawn at random, have T2w too.
        voxel_mm: edge of the MR voxels, mm; those of the CT are 0.75 x 0.75 x 1 of it.
        seed: of the draw of heads, poses and noise.
        labelled: with FLAIR beside each T2w, and label maps of six tissues in `derivatives/tissues`.

    Returns:
        `folder`. `sub-*_ct.json` has the true rigid transforms `T1wToCT` and `T2wToCT`: 4x4 matrices that
        map a point of the MR scan's world (mm, RAS) to the same point of the head in the CT's world.

    Raises:
        InputError: a number out of range, or `folder` holds something else or cannot be written.
    """
    plan = _Plan(VERSION, subjects, with_t2w, float(voxel_mm), seed, labelled)
    _check(plan)
    folder = Path(folder)
    if _is_complete(folder, plan):
        return folder
    _refuse_foreign(folder, plan)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise InputError(f"{folder}: the phantom cohort cannot be written there ({error})") from None
    try:
        _write_dataset(temporary, plan)
        _put_in_place(temporary, folder, plan)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _check(plan: _Plan) -> None:
    findings = []
    if plan.subjects < 1:
        findings.append(f"subjects: {plan.subjects} found, at least 1 is needed")
    if plan.subjects > MOST_SUBJECTS:
        findings.append(f"subjects: {plan.subjects} found, at most {MOST_SUBJECTS} are possible")
    if not 0 <= plan.with_t2w <= plan.subjects:
        findings.append(f"with_t2w: {plan.with_t2w} found, 0 to {plan.subjects} (all subjects) is possible")
    if not 0.5 <= plan.voxel_mm <= 10:
        findings.append(f"voxel_mm: {plan.voxel_mm} found, 0.5 to 10 mm is possible")
    if plan.seed < 0:
        findings.append(f"seed: {plan.seed} found, 0 or more is needed")
    if findings:
        raise InputError.collect("The phantom cohort cannot be made:", findings)


def _recorded(folder: Path) -> dict[str, Any]:
    """Read what the folder says about itself; empty where it is no phantom cohort."""
    try:
        return dict(json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))["Phantom"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _is_complete(folder: Path, plan: _Plan) -> bool:
    recorded = _recorded(folder)
    sizes: dict[str, int] = recorded.pop("files", {})
    whole = all(
        (folder / name).is_file() and (folder / name).stat().st_size == n for name, n in sizes.items()
    )
    return bool(sizes) and whole and recorded == plan.described()


def _refuse_foreign(folder: Path, plan: _Plan) -> None:
    """Only an empty folder or the rest of the same phantom may be replaced."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    recorded = _recorded(folder)
    recorded.pop("files", None)
    if recorded != plan.described():
        what = f"another phantom cohort ({recorded})" if recorded else "something else"
        raise InputError(f"{folder}: holds {what}; name a new or empty folder for the phantom cohort")


def _put_in_place(temporary: Path, folder: Path, plan: _Plan) -> None:
    if _is_complete(folder, plan):
        return  # another process has put the same cohort there meanwhile, and may read it
    if folder.exists():
        remains = temporary.with_name(temporary.name + "-remains")
        folder.rename(remains)
        shutil.rmtree(remains)
    try:
        temporary.rename(folder)
    except OSError:
        # Another process may have put the same cohort there in the meantime.
        if not _is_complete(folder, plan):
            raise


def _write_dataset(folder: Path, plan: _Plan) -> None:
    folder.chmod(0o755)
    chosen = np.random.default_rng([plan.seed, plan.subjects]).permutation(plan.subjects)[: plan.with_t2w]
    digits = max(2, len(str(plan.subjects)))
    rows = ["participant_id\thas_T2w"]
    for index in range(plan.subjects):
        name, has_t2w = f"sub-{index + 1:0{digits}d}", index in chosen
        _write_subject(folder / name, index, has_t2w, plan)
        rows.append(f"{name}\t{str(has_t2w).lower()}")
    (folder / "participants.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (folder / ".bidsignore").write_text("sub-*/ct/\n", encoding="utf-8")
    if plan.labelled:
        _describe_labels(folder / DERIVATIVE, plan)
    sizes = {
        str(f.relative_to(folder).as_posix()): f.stat().st_size for f in folder.rglob("*") if f.is_file()
    }
    _write_json(folder / DESCRIPTION, _description(plan, dict(sorted(sizes.items()))))


def _description(plan: _Plan, sizes: dict[str, int]) -> dict[str, Any]:
    return {
        "Name": "Digital head phantoms: simulated T1w, T2w and CT",
        "BIDSVersion": "1.9.0",
        "DatasetType": "raw",
        "Simulated": True,
        "GeneratedBy": [{"Name": "t1t2core.cohort.phantom", "Version": str(plan.version)}],
        "Phantom": {**plan.described(), "files": sizes},
    }


def _write_subject(folder: Path, index: int, has_t2w: bool, plan: _Plan) -> None:
    head, poses, t1w, t2w, ct, flair, flair_pose = np.random.default_rng([plan.seed, index]).spawn(7)
    values = signal.tissue_values(head)
    anatomy = draw_anatomy(head, ANATOMY_VOXEL * plan.voxel_mm, values, labelled=plan.labelled)
    labels = folder.parent / DERIVATIVE / folder.name / "anat" / folder.name
    t1w_to_head = _rigid(poses, *MR_POSE)
    t1w_to_ct = _rigid(poses, *CT_POSE)
    t2w_to_t1w = _rigid(poses, *T2W_POSE)
    truth = {"T1wToCT": t1w_to_ct.tolist()}
    image, affine = _mr_scan(t1w, anatomy, 0, t1w_to_head, plan.voxel_mm)
    _write_scan(folder / "anat" / f"{folder.name}_T1w", image, affine, T1W_SIDECAR)
    _write_labels(labels, "T1w", anatomy, image.shape, affine, t1w_to_head)
    if has_t2w:
        image, affine = _mr_scan(t2w, anatomy, 1, t1w_to_head @ t2w_to_t1w, plan.voxel_mm)
        _write_scan(folder / "anat" / f"{folder.name}_T2w", image, affine, T2W_SIDECAR)
        truth["T2wToCT"] = (t1w_to_ct @ t2w_to_t1w).tolist()
        _write_labels(labels, "T2w", anatomy, image.shape, affine, t1w_to_head @ t2w_to_t1w)
    if has_t2w and plan.labelled:
        to_head = t1w_to_head @ _rigid(flair_pose, *T2W_POSE)
        image, affine = _mr_scan(flair, anatomy, 3, to_head, plan.voxel_mm)
        _write_scan(folder / "anat" / f"{folder.name}_FLAIR", image, affine, FLAIR_SIDECAR)
        _write_labels(labels, "FLAIR", anatomy, image.shape, affine, to_head)
    image, affine = _ct_scan(ct, anatomy, t1w_to_head @ np.linalg.inv(t1w_to_ct), plan.voxel_mm)
    _write_scan(folder / "ct" / f"{folder.name}_ct", image, affine, {**CT_SIDECAR, **truth})


T1W_SIDECAR = {
    "Simulated": True,
    "MagneticFieldStrength": 3,
    "RepetitionTime": signal.MPRAGE_TR / 1000,
    "EchoTime": signal.MPRAGE_TE / 1000,
    "InversionTime": signal.MPRAGE_TI / 1000,
    "FlipAngle": signal.MPRAGE_FLIP,
}
T2W_SIDECAR = {
    "Simulated": True,
    "MagneticFieldStrength": 3,
    "RepetitionTime": signal.TSE_TR / 1000,
    "EchoTime": signal.TSE_TE / 1000,
}
FLAIR_SIDECAR = {
    "Simulated": True,
    "MagneticFieldStrength": 3,
    "RepetitionTime": signal.FLAIR_TR / 1000,
    "EchoTime": signal.FLAIR_TE / 1000,
    "InversionTime": signal.FLAIR_TI / 1000,
}
CT_SIDECAR = {"Simulated": True, "Modality": "CT", "Units": "HU"}


def _describe_labels(folder: Path, plan: _Plan) -> None:
    """The description of the derivative that the label maps are, and the names of their values."""
    folder.mkdir(parents=True, exist_ok=True)
    about = {
        "Name": "Tissues of the digital heads",
        "BIDSVersion": "1.9.0",
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "t1t2core.cohort.phantom", "Version": str(plan.version)}],
    }
    _write_json(folder / DESCRIPTION, about)
    rows = ["index\tname", *(f"{value}\t{name}" for value, name in enumerate(signal.CLASSES))]
    (folder / "dseg.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")


def _write_labels(
    stem: Path, suffix: str, anatomy: Anatomy, shape: tuple[int, ...], affine: Array, to_head: Array
) -> None:
    """The label map of a scan, where there are labels: that of the tissue nearest to each voxel's middle."""
    if anatomy.labels is None:
        return
    labels = _resample(anatomy.labels, anatomy.affine, shape, to_head @ affine, sitk.sitkNearestNeighbor, 0)
    name = f"{stem.name}_space-{suffix}_dseg"
    _write_scan(
        stem.with_name(name), labels, affine, {"Manual": False, "Resolution": f"that of the {suffix}"}
    )


def _rigid(rng: np.random.Generator, most_mm: float, most_degrees: float) -> Array:
    """Rotation about a random axis through the origin, then a shift in a random direction: 4x4."""
    axis, direction = (v / np.linalg.norm(v) for v in rng.standard_normal((2, 3)))
    angle = math.radians(most_degrees * rng.uniform(0.2, 1))
    cross = np.cross(np.eye(3), -axis)
    matrix = np.eye(4)
    matrix[:3, :3] += math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross
    matrix[:3, 3] = most_mm * rng.uniform(0.2, 1) * direction
    return matrix


def _mr_scan(
    rng: np.random.Generator, anatomy: Anatomy, channel: int, to_head: Array, voxel_mm: float
) -> tuple[Array, Array]:
    """One MR scan with its bias field, Rician noise and scale: the image (int16) and its affine."""
    low = np.array(MR_LOW_CORNER) + rng.uniform(-PLACEMENT_JITTER_MM, PLACEMENT_JITTER_MM, 3)
    size = np.subtract(MR_HIGH_CORNER, MR_LOW_CORNER)
    shape, affine = _grid(low, size, (voxel_mm,) * 3, flips=(1, 1, 1))
    clean = _sample(anatomy, channel, shape, to_head @ affine, outside=0.0)
    bias = np.clip(smooth_noise(rng, shape, voxel_mm, BIAS_WAVELENGTH_MM) / 2, -1, 1)
    clean *= 1 + np.float32(rng.uniform(*BIAS)) * bias
    spread = np.float32(rng.uniform(*MR_NOISE))
    real, imaginary = spread * rng.standard_normal((2, *shape), dtype=np.float32)
    noisy = np.sqrt((clean + real) ** 2 + imaginary**2)
    return np.rint(noisy * np.float32(rng.uniform(*WHITE_MATTER))).astype(np.int16), affine


def _ct_scan(
    rng: np.random.Generator, anatomy: Anatomy, to_head: Array, voxel_mm: float
) -> tuple[Array, Array]:
    """The CT in HU with head holder and noise, stored right to left and front to back: image and affine."""
    low, high = np.array(CT_LOW_CORNER), np.array(CT_HIGH_CORNER)
    low[2] += rng.uniform(-PLACEMENT_JITTER_MM, PLACEMENT_JITTER_MM)
    if rng.random() < SHORT_SLABS:
        low[2] += rng.uniform(*SHORT_SLAB_RISE_MM)
    shape, affine = _grid(low, high - low, np.multiply(CT_VOXEL, voxel_mm), flips=(-1, -1, 1))
    image = _sample(anatomy, 2, shape, to_head @ affine, outside=-1000.0)
    _add_head_holder(image, affine)
    image += np.float32(rng.uniform(*CT_NOISE_HU)) * rng.standard_normal(shape, dtype=np.float32)
    return np.rint(np.clip(image, *CT_RANGE_HU)).astype(np.int16), affine


def _add_head_holder(image: Array, affine: Array) -> None:
    """A thin curved plate along the table, a gap behind the back of the head."""
    x, y = (affine[axis, 3] + affine[axis, axis] * np.arange(image.shape[axis]) for axis in (0, 1))
    body = (image > -500).any(axis=2)
    rows, columns = np.nonzero(body)
    across, up = x[:, None] - np.median(x[rows]), y[None, :] - np.median(y[columns])
    radius, behind = np.hypot(across, up), np.abs(np.arctan2(across, -up)) < HOLDER_ANGLE
    inner = radius[body & behind].max() + HOLDER_GAP_MM
    off_centre = np.abs(radius - inner - HOLDER_MM / 2)
    share = np.clip(0.5 + (HOLDER_MM / 2 - off_centre) / abs(affine[0, 0]), 0, 1) * behind
    image += (share[:, :, None] * (HOLDER_HU + 1000)).astype(np.float32)


def _grid(
    low: Array, size_mm: Array, voxels_mm: Any, *, flips: tuple[int, int, int]
) -> tuple[tuple[int, ...], Array]:
    """Shape and affine (voxel indices to world, mm) of a box; an axis flipped by -1 is stored backwards."""
    spacing = np.asarray(voxels_mm, float)
    shape = np.maximum(np.rint(size_mm / spacing), 1).astype(int)
    first = low + spacing / 2
    affine = np.diag([*(spacing * flips), 1.0])
    affine[:3, 3] = np.where(np.array(flips) > 0, first, first + (shape - 1) * spacing)
    return tuple(shape.tolist()), affine


def _sample(
    anatomy: Anatomy, channel: int, shape: tuple[int, ...], to_head: Array, *, outside: float
) -> Array:
    """The anatomy at the voxels of a scan, interpolated; `to_head` takes its indices to head coordinates."""
    image = anatomy.images[channel]
    return _resample(image, anatomy.affine, shape, to_head, sitk.sitkLinear, outside)


def _resample(
    image: Array, affine: Array, shape: tuple[int, ...], to_head: Array, how: int, outside: float
) -> Array:
    # Index space for both images; SimpleITK counts axes from the last one of a numpy array.
    matrix = np.linalg.inv(affine) @ to_head
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(matrix[:3, :3][::-1, ::-1].ravel().tolist())
    transform.SetTranslation(matrix[:3, 3][::-1].tolist())
    resampler = sitk.ResampleImageFilter()
    resampler.SetSize(shape[::-1])
    resampler.SetTransform(transform)
    resampler.SetInterpolator(how)
    resampler.SetDefaultPixelValue(outside)
    return sitk.GetArrayFromImage(resampler.Execute(sitk.GetImageFromArray(image)))


def _write_scan(stem: Path, image: Array, affine: Array, sidecar: dict[str, Any]) -> None:
    stem.parent.mkdir(parents=True, exist_ok=True)
    nifti = nibabel.Nifti1Image(image, affine)
    nifti.header.set_xyzt_units("mm")
    nifti.set_qform(affine, 1)
    nifti.set_sform(affine, 1)
    # No time stamp in the gzip header: the same scan is the same bytes.
    stem.with_name(stem.name + ".nii.gz").write_bytes(
        gzip.compress(nifti.to_bytes(), compresslevel=1, mtime=0)
    )
    _write_json(stem.with_name(stem.name + ".json"), sidecar)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
