"""Distances between the surfaces of predicted and true tissue, a patient."""

import math

import numpy as np
import torch

from t1t2core.evaluation.scores import IGNORED, LABELS

SURFACE_METRICS = ("hausdorff_95_mm", "mean_surface_distance_mm")
PERCENTILE = 95


def surface_distances(
    prediction: np.ndarray, truth: np.ndarray, voxel_mm: tuple[float, float, float]
) -> dict[str, dict[str, float]]:
    """95th percentile of the Hausdorff distance and mean symmetric surface distance of each class, mm.

    Both come from one pair of distance maps; MONAI's own functions would make them twice.

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
    # Here, because importing MONAI takes seconds and most of the package does without.
    from monai.metrics.utils import get_edge_surface_distance

    if not (prediction.any() and truth.any()):
        return dict.fromkeys(SURFACE_METRICS, math.nan)
    _, there_and_back, _ = get_edge_surface_distance(
        torch.from_numpy(prediction), torch.from_numpy(truth), spacing=list(voxel_mm), symmetric=True
    )
    far = max(float(distances.double().quantile(PERCENTILE / 100)) for distances in there_and_back)
    return dict(zip(SURFACE_METRICS, (far, float(torch.cat(list(there_and_back)).mean())), strict=True))
