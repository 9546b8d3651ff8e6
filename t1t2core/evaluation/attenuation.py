"""Linear attenuation at 511 keV, from classes and from CT: a proxy of what PET makes of labels."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import ndimage

from t1t2core.preparation.prepare import WholeScan
from t1t2core.settings.classes import IGNORED, STUDY_CLASSES

CLASS_HU = {"air": -1000.0, "soft_tissue": 40.0, "bone": 1000.0}
"""What a class counts as (ours): by the scaling below 0, 0.100 and 0.149 per cm."""
BELOW_PER_CM, BREAK_HU = 9.6e-5, 47.0
ABOVE_PER_CM, ABOVE_OFFSET = 5.10e-5, 4.71e-2
"""Bilinear scaling from HU at 120 kVp (Carney et al., Med. Phys. 33(4), 2006)."""
RING_MM = 20.0
RINGS = 6
"""By the distance, in the axial plane, from the middle of the head; the last has all that is farther away."""


@dataclass(frozen=True)
class Attenuation:
    """Attenuation in one region of one patient: sums over its voxels, per cm.

    Args:
        voxels: that are known.
        ct: attenuation by the CT's HU.
        predicted: by predicted classes.
        predicted_error: absolute differences between the two.
        labels: by the true classes: what no prediction of three classes can better.
        labels_error: absolute differences between these and the CT's.
    """

    voxels: int
    ct: float
    predicted: float
    predicted_error: float
    labels: float
    labels_error: float


def linear_attenuation(hu: np.ndarray) -> np.ndarray:
    """Scale Hounsfield units to linear attenuation at 511 keV, per cm, float64; never below 0."""
    above_air = np.asarray(hu, np.float64) + 1000.0
    soft, hard = BELOW_PER_CM * above_air, ABOVE_PER_CM * above_air + ABOVE_OFFSET
    return np.maximum(np.where(hu <= BREAK_HU, soft, hard), 0.0)


def compare_attenuation(
    prediction: np.ndarray,
    truth: np.ndarray,
    hu: np.ndarray,
    hull: np.ndarray,
    voxel_mm: tuple[float, float, float],
) -> dict[str, Attenuation]:
    """Compare attenuation by predicted classes with that by CT, region by region.

    Args:
        prediction: (X, Y, Z), labels 0 air, 1 soft tissue, 2 bone.
        truth: the same, 255 where unknown.
        hu: (X, Y, Z), the CT.
        hull: (X, Y, Z) bool, the closed hull of the head.

    Returns:
        By name: the head, its bone, its soft tissue and the air inside it, by the true classes; rings about
        its middle, such as `0_20_mm`.
    """
    per_class = linear_attenuation(np.array([CLASS_HU[name] for name in STUDY_CLASSES.names]))
    known = (truth != IGNORED) & hull
    ct, found = linear_attenuation(hu[known]), per_class[prediction[known]]
    classes = truth[known]
    there = per_class[classes]
    rings = _rings(hull, voxel_mm)[known]
    regions = {"head": np.ones(len(classes), bool)}
    regions |= {name: classes == label for name, label in STUDY_CLASSES.labels.items()}
    regions |= {name: rings == ring for ring, name in enumerate(ring_names())}
    return {
        name: Attenuation(
            int(where.sum()),
            float(ct[where].sum()),
            float(found[where].sum()),
            float(np.abs(found - ct)[where].sum()),
            float(there[where].sum()),
            float(np.abs(there - ct)[where].sum()),
        )
        for name, where in regions.items()
    }


def ring_names() -> list[str]:
    """Return the names of the rings, from the middle outwards."""
    borders = [f"{int(n * RING_MM)}" for n in range(RINGS)]
    inner = [f"{low}_{high}_mm" for low, high in pairwise(borders)]
    return [*inner, f"over_{borders[-1]}_mm"]


def _rings(hull: np.ndarray, voxel_mm: tuple[float, float, float]) -> np.ndarray:
    """Number the rings about the middle of the head, (X, Y, Z); -1 where there is no head at all."""
    if not hull.any():
        return np.full(hull.shape, -1)
    middle = ndimage.center_of_mass(hull)
    x, y = (
        (np.arange(n) - at) * mm for n, at, mm in zip(hull.shape[:2], middle[:2], voxel_mm[:2], strict=True)
    )
    distance = np.hypot(x[:, None], y[None, :])
    ring = np.minimum((distance / RING_MM).astype(np.int64), RINGS - 1)
    return np.broadcast_to(ring[:, :, None], hull.shape)


def attenuation_of(labels: np.ndarray, scan: WholeScan) -> dict[str, Attenuation] | None:
    """Compare the attenuation by labels (X, Y, Z) with that by the scan's CT; None where it has none.

    Other classes than those of the study have no attenuation.
    """
    if scan.hu is None or scan.classes.names != STUDY_CLASSES.names:
        return None
    return compare_attenuation(labels, scan.labels, scan.hu, scan.hull, scan.voxel_mm)
