"""How well a CT lies on an MR scan, judged from the images alone."""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from t1t2core.preparation.grid import LPS_TO_RAS, covered, resample, to_array
from t1t2core.preparation.head import HEAD_SPACING_MM


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

    method: str
    ok: bool
    reason: str
    to_ct: list[list[float]]
    measures: dict[str, float]


def measure(mr: sitk.Image, ct: sitk.Image, head: sitk.Image, other_head: sitk.Image, to_ct: sitk.Transform) -> dict[str, float]:
    """Numbers that tell good alignments from bad ones.

    Args:
        mr: MR scan; sampled at the voxels of `head`.
        ct: CT in HU without table.
        head: mask of the head in the MR's world.
        other_head: mask of the head in the CT's world.
        to_ct: from the MR's world to the CT's.
    """
    seen = covered(ct, head, to_ct)
    mine = to_array(head) > 0
    theirs = to_array(sitk.Resample(other_head, head, to_ct, sitk.sitkNearestNeighbor, 0)) > 0
    hu = to_array(resample(ct, head, to_ct))
    values = to_array(resample(mr, head))
    both = mine & theirs & seen
    return {
        "overlap": float((mine & seen).sum() / max(1, mine.sum())),
        "dice": float(2 * both.sum() / max(1, (mine & seen).sum() + (theirs & seen).sum())),
        "scalp_mm": scalp_distance_mm(mine, theirs, seen),
        "nmi": normalised_mutual_information(values, hu, (mine | theirs) & seen),
        "bone_contrast": bone_contrast(values, hu, both),
    }


def scalp_distance_mm(mine: np.ndarray, theirs: np.ndarray, seen: np.ndarray) -> float:
    """Mean distance of two heads' surfaces, from each to the other, away from the edges of the view."""
    inner = ndimage.binary_erosion(seen, iterations=3)
    surfaces = [mask & ~ndimage.binary_erosion(mask, border_value=1) for mask in (mine, theirs)]
    distances = []
    for one, other in (surfaces, surfaces[::-1]):
        if not other.any():
            return float("inf")
        distances.append(ndimage.distance_transform_edt(~other, sampling=HEAD_SPACING_MM)[one & inner])
    return float(np.concatenate(distances).mean()) if sum(map(len, distances)) else float("inf")


def normalised_mutual_information(first: np.ndarray, second: np.ndarray, where: np.ndarray) -> float:
    """(H(a) + H(b)) / H(a, b) - 1 of Studholme et al. (1999), 0 (independent) to 1, over 32 bins."""
    if where.sum() < 1000:
        return 0.0
    ranks = [np.clip(v[where], *np.percentile(v[where], (0.5, 99.5))) for v in (first, second)]
    joint = np.histogram2d(*ranks, bins=32)[0]
    joint /= joint.sum()

    def entropy(share: np.ndarray) -> float:
        return float(-(share[share > 0] * np.log(share[share > 0])).sum())

    whole = entropy(joint)
    return (entropy(joint.sum(axis=0)) + entropy(joint.sum(axis=1))) / whole - 1 if whole > 0 else 0.0


def bone_contrast(mr: np.ndarray, hu: np.ndarray, where: np.ndarray) -> float:
    """How often a voxel of dense bone is darker in MR than soft tissue within 10 mm of it, 0 to 1."""
    bone = where & (hu > 800)
    soft = where & (hu > -200) & (hu < 200)
    if bone.sum() < 100 or soft.sum() < 100:
        return 0.0
    near = soft & (ndimage.distance_transform_edt(~bone, sampling=HEAD_SPACING_MM) <= 10)
    reference = np.sort(mr[near])
    return float(1 - np.searchsorted(reference, mr[bone]).mean() / max(1, len(reference)))


def judge(measures: dict[str, float], method: str, to_ct: sitk.Transform) -> Alignment:
    """Compare the measures with what good alignments have."""
    return Alignment(method=method, ok=True, reason="", to_ct=_matrix(to_ct), measures=measures)


def given() -> Alignment:
    """Label maps came with the scan: nothing was aligned, so nothing is judged."""
    return Alignment(method="given", ok=True, reason="", to_ct=np.eye(4).tolist(), measures={})


def _matrix(transform: sitk.Transform) -> list[list[float]]:
    """A rigid transform of LPS points as a matrix for RAS points."""
    origin = np.array(transform.TransformPoint((0.0, 0.0, 0.0)))
    matrix = np.eye(4)
    matrix[:3, 3] = origin
    for axis in range(3):
        matrix[:3, axis] = np.array(transform.TransformPoint(np.eye(3)[axis].tolist())) - origin
    return (LPS_TO_RAS @ matrix @ LPS_TO_RAS).tolist()
