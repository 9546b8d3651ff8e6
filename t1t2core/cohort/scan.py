"""A scan on disk: read it, and say what is wrong with it."""

import re
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from t1t2core.cohort.content import content_of, missing
from t1t2core.cohort.dicom import read_file, read_series
from t1t2core.cohort.dicom_frame import has_mark
from t1t2core.cohort.nifti import is_nifti, nifti_notes, read_nifti
from t1t2core.cohort.orientation import straighten
from t1t2core.cohort.shape import shape_defect
from t1t2core.cohort.text_header import text_header_defect, text_header_notes
from t1t2core.errors import InputError
from t1t2core.settings.classes import STUDY_CLASSES, Classes

# ITK's warnings would otherwise go to standard error, between the lines of a run.
sitk.ProcessObject_SetGlobalWarningDisplay(False)

SPACING_MM = (0.1, 20.0)
"""Voxel sizes that a head scan can have, mm."""

LEAST_SLICES = 8
"""Fewest voxels along any axis: three poolings of 2 leave one."""

LEAST_EXTENT_MM = 60.0
"""Least size within the slices, mm: less cannot hold a head's cross-section."""

LEAST_DEPTH_MM = 16.0
"""Least size along any axis, mm: four voxels of the coarsest grid that scans are aligned on."""

MOST_EXTENT_MM = 1000.0
"""Largest size along any axis, mm: more is a scan of the body, or a wrong voxel size."""

MOST_DISTANCE_MM = 1e5
"""Largest coordinate of the first voxel, mm: further away, float32 headers lose tenths of a millimetre."""

MOST_VALUE = 1e9
"""Largest magnitude of a voxel: no scanner gives more, and beyond it sums lose their digits."""

LEAST_FOREGROUND = 0.01
"""Least share of voxels that differ from the darkest one: less is an empty volume."""

AIR_HU, BONE_HU, SOFT_HU = -500.0, 600.0, (-200.0, 200.0)
"""What counts as like air, bone and soft tissue, Hounsfield units (Sec. 3.2; soft tissue ours)."""

LEAST_CT_SHARES = {
    "air-like (< -500)": 0.001,
    "soft-tissue-like (-200 to 200)": 0.02,
    "bone-like (> 600)": 0.001,
}
"""Least share of each kind of voxel in a CT of a head."""

MOST_BONE = 0.4
"""Largest share of bone-like voxels among those above -200 HU: about 0.13 in a head; more, and soft tissue
lies where bone should, as in a CT whose offset of 1024 was not taken off."""

MOST_LISTED = 5
"""Unknown values of a label map that a message lists."""


def read_scan(path: Path) -> sitk.Image:
    """Read a scan: 3D, float32, in the units its header's slope and intercept give.

    Args:
        path: a file in any format that SimpleITK reads, or the folder of one DICOM series. A fourth axis
            of length 1 is dropped.

    Raises:
        InputError: no such file, not an image, damaged, not 3D, or several values a voxel.
    """
    try:
        return _load(path)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def read_labels(path: Path, classes: Classes = STUDY_CLASSES) -> sitk.Image:
    """Read a label map: 3D, uint8, the label of each voxel's class (see `Classes`), 255 where it is ignored.

    Raises:
        InputError: as `read_scan`, or it has values that no class has and that are not among the `others`.
    """
    try:
        return _load_labels(path, classes)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def examine_scan(
    path: Path, kind: str, classes: Classes = STUDY_CLASSES
) -> tuple[sitk.Image | None, list[str]]:
    """Read the scan at `path` as a `kind` and check it.

    Args:
        kind: `t1w`, `t2w`, `ct`, `labels_t1w` or `labels_t2w`.
        classes: of label maps.

    Returns:
        The image, None if it cannot be read, and what is wrong, a sentence each.
    """
    try:
        image = _load_labels(path, classes) if kind.startswith("labels") else _load(path)
    except InputError as error:
        return None, [str(error)]
    return image, check_scan(image, kind, classes)


def scan_defects(path: Path, kind: str, classes: Classes = STUDY_CLASSES) -> list[str]:
    """Find what is wrong with the scan at `path` as a `kind`, a sentence each; a bad file raises nothing."""
    return examine_scan(path, kind, classes)[1]


def scan_notes(path: Path) -> list[str]:
    """Say what was assumed of the scan at `path` where its file does not say it or contradicts itself.

    Reads headers only. Each note is a sentence that stands alone; there are none for most scans.

    Args:
        path: of a scan that `read_scan` can read.
    """
    return [] if path.is_dir() else [*nifti_notes(path), *text_header_notes(path)]


def check_scan(image: sitk.Image, kind: str, classes: Classes = STUDY_CLASSES) -> list[str]:
    """Find what is wrong with a 3D `image` as a `kind` (see `examine_scan`): in its geometry, then values."""
    return [*_geometry_defects(image), *_value_defects(_voxels(image), kind, classes)]


def _load(path: Path) -> sitk.Image:
    try:
        if defect := missing(path):
            raise InputError(defect)
        str(path).encode()  # SimpleITK takes no other names.
        if path.is_dir():
            return straighten(read_series(path))
        if has_mark(path):
            return straighten(read_file(path))
        if is_nifti(path):
            return read_nifti(path)
        if defect := text_header_defect(path):
            raise InputError(defect)
        return straighten(_load_file(path))
    except InputError:
        raise
    except (RuntimeError, OSError, ValueError, OverflowError, MemoryError) as error:
        raise InputError(_cause(error)) from None


def _load_file(path: Path) -> sitk.Image:
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError:
        if (known := content_of(path)) is not None:
            raise InputError(f"not an image that can be read under this name ({known})") from None
        raise
    if reader.GetNumberOfComponents() > 1:
        raise InputError(
            f"{reader.GetNumberOfComponents()} values a voxel (colour or vectors), where one is expected"
        )
    size = reader.GetSize()
    if defect := shape_defect(size):
        raise InputError(defect)
    # ITK would mirror the volume where a voxel size is negative.
    if min(reader.GetSpacing()) <= 0:
        raise InputError(
            f"its header gives voxels of {' x '.join(f'{mm:g}' for mm in reader.GetSpacing())} mm"
        )
    reader.SetExtractSize([*size[:3], *(0 for _ in size[3:])])
    reader.SetOutputPixelType(sitk.sitkFloat32)
    return reader.Execute()


def _cause(error: Exception) -> str:
    """The reason, SimpleITK's without its source lines and addresses."""
    text = str(error)
    reasons = re.findall(r"ERROR: (?:\w+\(0x[0-9a-f]+\): )?(.+)", text)
    reason = (
        reasons[-1] if reasons else re.sub(r"\AException thrown.*\n", "", text.strip()).partition("\n")[0]
    )
    reason = re.sub(r" ?\(0x[0-9a-f]+\)", "", reason).strip()
    return f"not an image that can be read, or damaged ({reason})"


def _load_labels(path: Path, classes: Classes) -> sitk.Image:
    image = _load(path)
    values, places = np.unique(_voxels(image), return_inverse=True)
    # Whatever is not finite is no class's either.
    others = [value for value in values.tolist() if value not in classes.values]
    allowed = [] if classes.others is None else [value for value in others if float(value).is_integer()]
    if unknown := sorted(set(others) - set(allowed)):
        listed = ", ".join(f"{value:g}" for value in unknown[:MOST_LISTED])
        more = ", ..." if len(unknown) > MOST_LISTED else ""
        raise InputError(f"a label map has {_in_words(classes)}; found {listed}{more}")
    label_of = dict(zip(classes.values, range(len(classes)), strict=True))
    labels = np.array([label_of.get(value, classes.others) for value in values.tolist()], np.uint8)
    found = sitk.GetImageFromArray(labels[places].reshape(_voxels(image).shape))
    found.CopyInformation(image)
    return found


def _in_words(classes: Classes) -> str:
    """Return which values label maps have, in words."""
    listed = [
        f"{value} ({name.replace('_', ' ')})"
        for name, value in zip(classes.names, classes.values, strict=True)
    ]
    known = f"{', '.join(listed[:-1])} and {listed[-1]}"
    if classes.others is not None:
        return f"{known}, and other whole numbers (cohort.others)"
    way_out = (
        ""
        if classes == STUDY_CLASSES
        else " (cohort.others: ignore, or the class that all others are, would take more)"
    )
    return f"{known} only{way_out}"


def _voxels(image: sitk.Image) -> np.ndarray:
    return sitk.GetArrayViewFromImage(image)


def _geometry_defects(image: sitk.Image) -> list[str]:
    size, spacing = np.array(image.GetSize()), np.array(image.GetSpacing())
    in_words = f"{' x '.join(map(str, size))} voxels of {' x '.join(f'{mm:g}' for mm in spacing)} mm"
    findings = []
    if not np.all((spacing >= SPACING_MM[0]) & (spacing <= SPACING_MM[1])):
        findings.append(f"voxels must measure {SPACING_MM[0]:g} to {SPACING_MM[1]:g} mm; found {in_words}")
    if size.min() < LEAST_SLICES:
        findings.append(f"at least {LEAST_SLICES} slices are needed; found {in_words}")
    if np.sort(size * spacing)[1] < LEAST_EXTENT_MM:
        findings.append(f"too small for a head, {LEAST_EXTENT_MM:g} mm within the slices; found {in_words}")
    if (size * spacing).min() < LEAST_DEPTH_MM:
        findings.append(f"too thin, {LEAST_DEPTH_MM:g} mm along each axis; found {in_words}")
    if (size * spacing).max() > MOST_EXTENT_MM:
        findings.append(
            f"larger than {MOST_EXTENT_MM:g} mm along an axis: cut out the head, or mend the voxel size; "
            f"found {in_words}"
        )
    origin = np.array(image.GetOrigin())
    if not np.all(np.abs(origin) <= MOST_DISTANCE_MM):
        findings.append(f"its header puts the first voxel at {', '.join(f'{mm:g}' for mm in origin)} mm")
    axes = np.reshape(image.GetDirection(), (3, 3))
    if not np.allclose(axes @ axes.T, np.eye(3), atol=1e-3):
        findings.append("its axes are not at right angles")
    return findings


def _value_defects(voxels: np.ndarray, kind: str, classes: Classes) -> list[str]:
    # The sum is not finite if any voxel is not; in float64 no finite float32 values overflow it.
    if not np.isfinite(voxels.sum(dtype=np.float64)):
        broken = int(voxels.size - np.isfinite(voxels).sum())
        return [f"{broken} of {voxels.size} voxels are NaN or infinite"]
    lowest, highest = float(voxels.min()), float(voxels.max())
    if max(-lowest, highest) > MOST_VALUE:
        return [f"values of {lowest:g} to {highest:g}, larger than a scanner gives"]
    if lowest == highest:
        return [f"empty: every voxel is {lowest:g}"]
    if kind.startswith("labels"):
        if classes != STUDY_CLASSES:
            return []  # a tumour is not in every head; that of none is found once all are prepared
        missing = sorted(set(classes.labels.values()) - {int(value) for value in np.unique(voxels)})
        return [f"no voxel has label {label}" for label in missing]
    if kind == "ct":
        return _ct_defects(voxels, f"{lowest:g} to {highest:g}")
    if np.mean(voxels > lowest) < LEAST_FOREGROUND:
        return [f"empty: all but {np.mean(voxels > lowest):.2%} of the voxels are {lowest:g}"]
    if lowest < -900 and np.array_equal(voxels, np.rint(voxels)) and not _ct_defects(voxels, ""):
        return [f"has values like a CT ({lowest:g} to {highest:g} HU): are MR and CT swapped?"]
    return []


def _ct_defects(voxels: np.ndarray, value_range: str) -> list[str]:
    bone = np.mean(voxels > BONE_HU)
    found = (np.mean(voxels < AIR_HU), np.mean((voxels >= SOFT_HU[0]) & (voxels <= SOFT_HU[1])), bone)
    lacking = [
        name for (name, least), share in zip(LEAST_CT_SHARES.items(), found, strict=True) if share < least
    ]
    if lacking:
        return [
            f"no CT in Hounsfield units: it lacks {', '.join(lacking)} voxels; found values {value_range}"
        ]
    body = np.mean(voxels > SOFT_HU[0])
    if bone > MOST_BONE * body:
        return [
            f"no CT in Hounsfield units: {bone / body:.0%} of the head is above {BONE_HU:g} "
            f"(an offset left in?); found values {value_range}"
        ]
    return []
