"""How well a CT, or a label map, lies on an MR scan, judged from the images alone."""

from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from t1t2core.preparation.anatomy import Anatomy
from t1t2core.preparation.grid import LPS_TO_RAS, resample, to_array, within
from t1t2core.preparation.head import HEAD_SPACING_MM
from t1t2core.preparation.registration import judge_place, register

Method = Literal["rigid", "none", "given"]

NMI_BINS = 32
SHARPNESS_SHIFT_MM = 6.0
"""About a skull's thickness, further than a good registration errs; twice a coarser voxel."""
DENSE_BONE_HU, SOFT_HU = 800.0, (-200.0, 200.0)
BONE_SURROUND_MM = 10.0
LIMITS = {
    "overlap": (0.5, 1.0, "the CT covers too little of the head"),
    "dice": (0.9, 1.0, "the outlines of the heads differ"),
    "bone_contrast": (0.65, 1.0, "bone in CT is not dark in MR"),
    "sharpness": (1.6, float("inf"), "the CT fits hardly better than beside its place"),
    "restart_mm": (0.0, 2.0, "another restart of the registration ends elsewhere"),
    "offset_mm": (0.0, 3.0, "the scans fit better at another place near by"),
    "mirror_ratio": (
        1.1,
        float("inf"),
        "its mirror image fits as well: left and right are exchanged, or it is another patient's",
    ),
}
"""Least and most of each measure (ours), between what was found in simulated pairs of 20 real anatomies, with
CT slices of 1.7 to 7.5 mm: right pairs had a sharpness of at least 1.65 and a mirror ratio of at least 1.16;
mirrored CT had ratios of at most 0.9. Of all 380 pairs of one's MR and another's CT, slices of 1.7 mm, none
passes all: where sharpness was 1.6 or more (up to 1.67) the mirror ratio was at most 1.06, and where that was
1.1 or more (up to 1.18) sharpness was below 1.4."""
BLURRED_SHARPNESS, CLEAR_MIRROR_RATIO = 1.4, 1.15
"""Least sharpness of what was registered and fits clearly better than its mirror image, which no CT of
another patient did (ours). A CT with voxels of 3 mm along all axes had 1.52 and 1.24, one with slices of
7.5 mm 1.51 and 1.21, both 0.3 mm off. What was not registered may lie some millimetres off: it has the
limit above."""


@dataclass(frozen=True, kw_only=True)
class Alignment:
    """What is known of how the labels lie on an MR scan.

    Args:
        method: `rigid`, `none` (files are aligned already) or `given` (label maps in place of CT).
        ok: good enough to learn from.
        reason: why not, else empty.
        to_ct: (4, 4) rigid matrix from points of the MR's world to points of the CT's (RAS, mm).
        measures: the numbers judged, by name (see `measure`).
    """

    method: Method
    ok: bool
    reason: str
    to_ct: list[list[float]]
    measures: dict[str, float]


def align(
    mr: Anatomy,
    ct: Anatomy,
    method: Method,
    hints: tuple[sitk.Transform, ...] = (),
    *,
    by_bone: bool = True,
) -> tuple[sitk.Transform, Alignment]:
    """Find out where a CT or label map lies in the world of an MR scan, and how well.

    Args:
        method: how its place is found (see `Alignment`).
        hints: transforms from the MR's to the CT's world to start from too.
        by_bone: judged by bone, too, which is bright in CT; false where another MR scan is in its place.

    Returns:
        The transform from the MR's to the CT's world, and what speaks for it.
    """
    if method == "rigid":
        registration = register(mr.scan, ct.scan, mr.head, ct.head, hints)
        place: sitk.Transform = registration.to_ct
        found = {"restart_mm": registration.restart_mm, "mirror_ratio": registration.mirror_ratio}
    else:
        place = sitk.Euler3DTransform()
        found = judge_place(mr.scan, ct.scan, mr.head, place)
    measures = found | measure(mr, ct, place)
    if not by_bone:
        del measures["bone_contrast"]
    return place, judge(measures, method, place)


def measure(mr: Anatomy, ct: Anatomy, to_ct: sitk.Transform) -> dict[str, float]:
    """Numbers that tell good alignments from bad ones.

    Args:
        mr: the MR scan; all is compared at the voxels of its head mask.
        ct: the CT, or the label map in its place.
        to_ct: from the MR's world to the CT's.
    """
    head = mr.head
    seen = within(ct.measured, head, to_ct)
    mine = to_array(head) > 0
    theirs = within(ct.head, head, to_ct)
    hu = to_array(resample(ct.scan, head, to_ct))
    values = to_array(resample(mr.scan, head))
    both = mine & theirs & seen
    return {
        "overlap": float((mine & seen).sum() / max(1, mine.sum())),
        "dice": float(2 * both.sum() / max(1, (mine & seen).sum() + (theirs & seen).sum())),
        "nmi": normalised_mutual_information(values, hu, both),
        "sharpness": sharpness(values, hu, both, _clear_shifts(mr.scan, ct.scan)),
        "bone_contrast": bone_contrast(values, hu, both),
    }


def _clear_shifts(mr: sitk.Image, ct: sitk.Image) -> tuple[float, ...]:
    """Along each axis, a distance that is more than the blur of either scan, mm."""
    voxels = zip(mr.GetSpacing(), ct.GetSpacing(), strict=True)
    return tuple(max(SHARPNESS_SHIFT_MM, 2 * max(pair)) for pair in voxels)


def sharpness(mr: np.ndarray, hu: np.ndarray, where: np.ndarray, shifts_mm: tuple[float, ...]) -> float:
    """Mutual information here over the largest of six places beside, two along each axis.

    About 1 or less where the CT does not belong here: then its surroundings fit as well.

    Args:
        shifts_mm: how far the places are along each axis: further than what the scans' voxels blur, or thick
            slices would fit beside their place as well as on it.
    """
    here = normalised_mutual_information(mr, hu, where)
    beside = []
    for axis, sign in product(range(3), (-1, 1)):
        step = sign * round(shifts_mm[axis] / HEAD_SPACING_MM)
        overlap = where & np.roll(where, step, axis)
        beside.append(normalised_mutual_information(mr, np.roll(hu, step, axis), overlap))
    return here / max(beside) if max(beside) > 0 else 0.0


def normalised_mutual_information(first: np.ndarray, second: np.ndarray, where: np.ndarray) -> float:
    """(H(a) + H(b)) / H(a, b) - 1 of Studholme et al. (1999), 0 (independent) to 1, over `NMI_BINS` bins."""
    if where.sum() < 1000:
        return 0.0
    clipped = [np.clip(v[where], *np.percentile(v[where], (0.5, 99.5))) for v in (first, second)]
    bins = [np.digitize(v, np.linspace(v.min(), v.max(), NMI_BINS + 1)[1:-1]) for v in clipped]
    joint = np.bincount(bins[0] * NMI_BINS + bins[1], minlength=NMI_BINS**2).reshape(NMI_BINS, NMI_BINS)
    joint = joint / joint.sum()

    def entropy(share: np.ndarray) -> float:
        return float(-(share[share > 0] * np.log(share[share > 0])).sum())

    whole = entropy(joint)
    return (entropy(joint.sum(axis=0)) + entropy(joint.sum(axis=1))) / whole - 1 if whole > 0 else 0.0


def bone_contrast(mr: np.ndarray, hu: np.ndarray, where: np.ndarray) -> float:
    """How often a voxel of dense bone is darker in MR than soft tissue within 10 mm of it, 0 to 1."""
    bone = where & (hu > DENSE_BONE_HU)
    soft = where & (hu > SOFT_HU[0]) & (hu < SOFT_HU[1])
    if bone.sum() < 100 or soft.sum() < 100:
        return 0.0
    near = soft & (ndimage.distance_transform_edt(~bone, sampling=HEAD_SPACING_MM) <= BONE_SURROUND_MM)
    reference = np.sort(mr[near])
    return float(1 - np.searchsorted(reference, mr[bone]).mean() / max(1, len(reference)))


def judge(measures: dict[str, float], method: Method, to_ct: sitk.Transform) -> Alignment:
    """Compare the measures with `LIMITS`."""
    findings = []
    for name, (least, most, meaning) in LIMITS.items():
        is_clear = method == "rigid" and measures.get("mirror_ratio", 0.0) >= CLEAR_MIRROR_RATIO
        if name == "sharpness" and is_clear:
            least = BLURRED_SHARPNESS
        value = measures.get(name, least)
        if not least <= value <= most:
            limit = f"at least {least:g}" if value < least else f"at most {most:g}"
            findings.append(f"{meaning}: {name} {value:.2f}, {limit} in good alignments")
    return Alignment(
        method=method, ok=not findings, reason="; ".join(findings), to_ct=_matrix(to_ct), measures=measures
    )


def _matrix(transform: sitk.Transform) -> list[list[float]]:
    """A rigid transform of LPS points as a matrix for RAS points."""
    origin = np.array(transform.TransformPoint((0.0, 0.0, 0.0)))
    matrix = np.eye(4)
    matrix[:3, 3] = origin
    for axis in range(3):
        matrix[:3, axis] = np.array(transform.TransformPoint(np.eye(3)[axis].tolist())) - origin
    return (LPS_TO_RAS @ matrix @ LPS_TO_RAS).tolist()


def transform_of(to_ct: list[list[float]]) -> sitk.Transform:
    """The transform of LPS points that a recorded alignment has as a matrix for RAS points."""
    matrix = LPS_TO_RAS @ np.array(to_ct) @ LPS_TO_RAS
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(matrix[:3, :3].ravel().tolist())
    transform.SetTranslation(matrix[:3, 3].tolist())
    return transform
