"""Tissue classes from CT: air, soft tissue, bone."""

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from t1t2core.preparation.grid import covered, resample, smooth, to_array, to_image, within
from t1t2core.preparation.head import fill_slices
from t1t2core.settings import PreparationSettings

AIR, SOFT_TISSUE, BONE = 0, 1, 2
IGNORED = 255
HULL_CLOSING_MM = 6.0
"""Openings of the head (nostrils, ear canals) are narrower than twice this (ours)."""


def threshold(hu: np.ndarray, settings: PreparationSettings) -> np.ndarray:
    """Class of each value: strictly above `bone_above_hu` is bone, strictly below `air_below_hu` air."""
    labels = np.full(hu.shape, SOFT_TISSUE, np.uint8)
    labels[hu > settings.bone_above_hu] = BONE
    labels[hu < settings.air_below_hu] = AIR
    return labels


def label_from_ct(
    ct: sitk.Image,
    measured: sitk.Image,
    to_ct: sitk.Transform,
    grid: sitk.Image,
    settings: PreparationSettings,
) -> np.ndarray:
    """Classes (X, Y, Z) uint8 at the voxels of `grid`; what the CT never saw as `settings.outside_ct` says.

    Args:
        ct: HU, without table and padding.
        measured: uint8 mask on the CT's grid, 0 where nothing was measured.
        to_ct: from points of the grid's world to points of the CT's.
    """
    if settings.label_resampling == "threshold":
        labels = threshold(to_array(resample(ct, grid, to_ct)), settings)
    else:
        classes = to_image(threshold(to_array(ct), settings), ct)
        labels = to_array(sitk.Resample(classes, grid, to_ct, sitk.sitkNearestNeighbor, AIR))
    labels[~within(measured, grid, to_ct)] = IGNORED if settings.outside_ct == "ignore" else AIR
    return labels


def label_from_map(label_map: sitk.Image, grid: sitk.Image, settings: PreparationSettings) -> np.ndarray:
    """A label map (0, 1, 2) at the voxels of `grid`, as (X, Y, Z) uint8.

    Each voxel gets the class that most of it has; with `label_resampling: nearest`, that of its centre.
    """
    if settings.label_resampling == "nearest":
        nearest = sitk.Resample(label_map, grid, sitk.Transform(), sitk.sitkNearestNeighbor)
        labels = to_array(nearest)
    else:
        classes = to_array(label_map)
        kinds = np.array([AIR, SOFT_TISSUE, BONE], np.uint8)
        shares = [_share(classes == kind, label_map, grid) for kind in kinds]
        labels = kinds[np.argmax(shares, axis=0)]
    labels[~covered(label_map, grid)] = IGNORED if settings.outside_ct == "ignore" else AIR
    return labels


def _share(mask: np.ndarray, like: sitk.Image, grid: sitk.Image) -> np.ndarray:
    """How much of each voxel of `grid` the mask fills, (X, Y, Z) float32 in 0..1."""
    image = to_image(mask.astype(np.float32), like)
    return to_array(resample(smooth(image, grid.GetSpacing()), grid))


def head_hull(labels: np.ndarray, voxel_mm: tuple[float, float, float]) -> np.ndarray:
    """Closed hull of the head, bool (X, Y, Z): air in it is internal air (sinuses, nasal cavity, ear canals).

    The tissue is closed with a ball of `HULL_CLOSING_MM` and holes are filled in the slices of all three
    directions. Ignored voxels are outside.
    """
    tissue = (labels == SOFT_TISSUE) | (labels == BONE)
    margin = [int(np.ceil(HULL_CLOSING_MM / mm)) + 1 for mm in voxel_mm]
    padded = np.pad(tissue, [(m, m) for m in margin])
    near = ndimage.distance_transform_edt(~padded, sampling=voxel_mm) <= HULL_CLOSING_MM
    closed = ndimage.distance_transform_edt(near, sampling=voxel_mm) > HULL_CLOSING_MM
    inner = closed[tuple(slice(m, -m) for m in margin)]
    return fill_slices(inner | tissue) & (labels != IGNORED)
