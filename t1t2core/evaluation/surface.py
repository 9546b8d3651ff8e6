"""Distances between the surfaces of predicted and true tissue, a patient."""

import math

import numpy as np
from scipy.ndimage import binary_erosion
from scipy.spatial import KDTree

from t1t2core.evaluation.scores import IGNORED, LABELS

SURFACE_METRICS = ("hausdorff_95_mm", "mean_surface_distance_mm")
PERCENTILE = 95


def surface_distances(
    prediction: np.ndarray, truth: np.ndarray, voxel_mm: tuple[float, float, float]
) -> dict[str, dict[str, float]]:
    """95th percentile of the Hausdorff distance and mean symmetric surface distance of each class, mm.

    A class's surface is its voxels that have a neighbour, of six, outside it.

    Args:
        prediction: (X, Y, Z), labels 0 air, 1 soft tissue, 2 bone.
        truth: the same, 255 where unknown; voxels unknown belong to no class in either.

    Returns:
        Class to metric to value; NaN where the class is absent in either.
    """
    known = truth != IGNORED
    return {
        name: _distances((prediction == label) & known, (truth == label) & known, voxel_mm)
        for name, label in LABELS.items()
    }


def _distances(
    prediction: np.ndarray, truth: np.ndarray, voxel_mm: tuple[float, float, float]
) -> dict[str, float]:
    if not (prediction.any() and truth.any()):
        return dict.fromkeys(SURFACE_METRICS, math.nan)
    found, there = (mask & ~binary_erosion(mask) for mask in (prediction, truth))
    ways = _between(found, there, voxel_mm), _between(there, found, voxel_mm)
    far = max(float(np.percentile(distances, PERCENTILE)) for distances in ways)
    return dict(zip(SURFACE_METRICS, (far, float(np.concatenate(ways).mean())), strict=True))


def _between(start: np.ndarray, end: np.ndarray, voxel_mm: tuple[float, float, float]) -> np.ndarray:
    """From each voxel of one surface to the nearest of the other, mm."""
    # Most lie on both: with the rest alone a tree takes a third of the time of a map of distances.
    away = start & ~end
    distances = np.zeros(np.count_nonzero(start))
    if away.any():
        tree = KDTree(np.argwhere(end) * voxel_mm, balanced_tree=False, compact_nodes=False)
        distances[: np.count_nonzero(away)] = tree.query(np.argwhere(away) * voxel_mm)[0]
    return distances
