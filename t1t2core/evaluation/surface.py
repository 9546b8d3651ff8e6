"""Distances between the surfaces of predicted and true tissue, and their Dice, a patient."""

import math
from functools import cache
from itertools import product

import numpy as np
from scipy.ndimage import binary_dilation
from scipy.spatial import KDTree

from t1t2core.settings.classes import IGNORED, STUDY_CLASSES, Classes

PERCENTILE = 95
TOLERANCES_MM = (1, 2, 3)
DISTANCES = ("hausdorff_95_mm", "mean_surface_distance_mm")
SURFACE_DICE = tuple(f"nsd_{mm}_mm" for mm in TOLERANCES_MM)
"""Normalised surface Dice within each tolerance."""
SURFACE_METRICS = (*DISTANCES, *SURFACE_DICE)
ROUNDING_MM = 1e-6
"""By which a distance may exceed a tolerance that it equals."""
REACH = 3
"""Voxels around each that are looked at before a tree is asked: most of a surface is no farther away."""


def surface_distances(
    prediction: np.ndarray,
    truth: np.ndarray,
    voxel_mm: tuple[float, float, float],
    classes: Classes = STUDY_CLASSES,
) -> dict[str, dict[str, float]]:
    """Distances between the surfaces of each class, and their normalised surface Dice.

    A class's surface is its voxels that have a neighbour, of six, of another class. There is no surface where
    the volume ends and beside voxels unknown: what lies beyond may be of the same class. The Hausdorff
    distance is the 95th percentile, the larger of both ways; the mean distance is over the voxels of both
    surfaces. The surface Dice is the share of both surfaces that lies within a tolerance of the other
    (Nikolov et al. 2018, arXiv:1809.04430), counted in voxels.

    Args:
        prediction: labels (X, Y, Z).
        truth: the same, 255 where unknown; voxels unknown belong to no class in either.

    Returns:
        Class to metric to value. Where the class has no surface in one of them, the distances are NaN and the
        surface Dice is 0; where it has none in both, all are NaN.
    """
    known = truth != IGNORED
    return {
        name: _compare(_surface(prediction == label, known), _surface(truth == label, known), voxel_mm)
        for name, label in classes.labels.items()
    }


def _surface(mask: np.ndarray, known: np.ndarray) -> np.ndarray:
    return mask & known & binary_dilation(known & ~mask)


def _compare(found: np.ndarray, there: np.ndarray, voxel_mm: tuple[float, float, float]) -> dict[str, float]:
    """Compare two surfaces, bool (X, Y, Z)."""
    if not (found.any() and there.any()):
        dice = 0.0 if found.any() or there.any() else math.nan
        return dict.fromkeys(DISTANCES, math.nan) | dict.fromkeys(SURFACE_DICE, dice)
    ways = _between(found, there, voxel_mm), _between(there, found, voxel_mm)
    every = np.concatenate(ways)
    far = max(float(np.percentile(distances, PERCENTILE)) for distances in ways)
    near = [float(np.mean(every <= mm + ROUNDING_MM)) for mm in TOLERANCES_MM]
    return dict(zip(SURFACE_METRICS, (far, float(every.mean()), *near), strict=True))


def _between(start: np.ndarray, end: np.ndarray, voxel_mm: tuple[float, float, float]) -> np.ndarray:
    """Measure from each voxel of one surface to the nearest of the other, mm, in no order."""
    padded = np.pad(end, REACH)
    there = padded.ravel()
    left = np.flatnonzero(np.pad(start & ~end, REACH))
    found = [np.zeros(np.count_nonzero(start) - len(left))]
    for step, mm in _steps(padded.shape, voxel_mm):
        is_there = there[left + step]
        found.append(np.full(np.count_nonzero(is_there), mm))
        left = left[~is_there]
    if len(left):
        tree = KDTree(np.argwhere(padded) * voxel_mm, balanced_tree=False, compact_nodes=False)
        found.append(tree.query(np.column_stack(np.unravel_index(left, padded.shape)) * voxel_mm)[0])
    return np.concatenate(found)


@cache
def _steps(shape: tuple[int, ...], voxel_mm: tuple[float, float, float]) -> list[tuple[int, float]]:
    """List the steps to all voxels within reach, the shortest first: in the flattened volume, and mm."""
    far = range(-REACH, REACH + 1)
    steps = np.array(list(product(far, far, far)))
    mm = np.linalg.norm(steps * voxel_mm, axis=1)
    flat = steps @ (shape[1] * shape[2], shape[2], 1)
    reached = [n for n in np.argsort(mm, kind="stable") if 0 < mm[n] <= REACH * min(voxel_mm)]
    return [(int(flat[n]), float(mm[n])) for n in reached]
