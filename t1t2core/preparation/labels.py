"""Classes at the voxels of a scan, from a CT or from a label map."""

import math

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from t1t2core.preparation.grid import covered, resample, smooth, to_array, to_image, within
from t1t2core.preparation.head import fill_slices
from t1t2core.settings import PreparationSettings
from t1t2core.settings.classes import IGNORED, STUDY_CLASSES, Classes, Range

HULL_CLOSING_MM = 6.0
"""Openings of the head (nostrils, ear canals) are narrower than twice this (ours)."""


def ranges_of(classes: Classes, settings: PreparationSettings) -> tuple[Range | None, ...]:
    """Return the range of Hounsfield units of each class, None for all that no other range has."""
    if classes.ranges:
        return classes.ranges
    return (-math.inf, settings.air_below_hu), None, (settings.bone_above_hu, math.inf)


def threshold(hu: np.ndarray, settings: PreparationSettings, classes: Classes = STUDY_CLASSES) -> np.ndarray:
    """Label of each value: that of the class in whose range it is, the limits left out.

    Where two ranges meet, the limit is of the upper one.
    """
    ranges = ranges_of(classes, settings)
    rest = ranges.index(None) if None in ranges else 0
    labels = np.full(hu.shape, rest, np.uint8)
    ends = {one[1] for one in ranges if one}
    for label, one in enumerate(ranges):
        if one:
            low, high = one
            labels[(hu >= low if low in ends else hu > low) & (hu < high)] = label
    return labels


def label_from_ct(
    ct: sitk.Image,
    measured: sitk.Image,
    to_ct: sitk.Transform,
    grid: sitk.Image,
    settings: PreparationSettings,
    classes: Classes = STUDY_CLASSES,
) -> np.ndarray:
    """Labels (X, Y, Z) uint8 at the voxels of `grid`; what the CT never saw as `settings.outside_ct` says.

    Args:
        ct: HU, without table and padding.
        measured: uint8 mask on the CT's grid, 0 where nothing was measured.
        to_ct: from points of the grid's world to points of the CT's.
    """
    if settings.label_resampling == "threshold":
        labels = threshold(to_array(resample(ct, grid, to_ct)), settings, classes)
    else:
        by_voxel = to_image(threshold(to_array(ct), settings, classes), ct)
        labels = to_array(sitk.Resample(by_voxel, grid, to_ct, sitk.sitkNearestNeighbor, 0))
    labels[~within(measured, grid, to_ct)] = _unseen(settings, classes)
    return labels


def label_from_map(
    label_map: sitk.Image,
    grid: sitk.Image,
    settings: PreparationSettings,
    classes: Classes = STUDY_CLASSES,
    to_map: sitk.Transform | None = None,
) -> np.ndarray:
    """Labels (X, Y, Z) uint8 at the voxels of `grid`, from those of a label map.

    Each voxel gets the class that most of it has; with `label_resampling: nearest`, that of its centre.

    Args:
        label_map: labels, as `read_labels` gives them.
        to_map: from points of the grid's world to points of the map's; None where they are the same.
    """
    place = to_map or sitk.Transform()
    if settings.label_resampling == "nearest":
        labels = to_array(sitk.Resample(label_map, grid, place, sitk.sitkNearestNeighbor))
    else:
        here = to_array(label_map)
        kinds = [*range(len(classes)), *([IGNORED] if (here == IGNORED).any() else [])]
        shares = [_share(here == kind, label_map, grid, place) for kind in kinds]
        labels = np.array(kinds, np.uint8)[np.argmax(shares, axis=0)]
    labels[~covered(label_map, grid, place)] = _unseen(settings, classes)
    return labels


def _unseen(settings: PreparationSettings, classes: Classes) -> int:
    """Return the label of what neither CT nor label map has."""
    return IGNORED if settings.outside_ct == "ignore" or classes.outside is None else classes.outside


def _share(mask: np.ndarray, like: sitk.Image, grid: sitk.Image, place: sitk.Transform) -> np.ndarray:
    """How much of each voxel of `grid` the mask fills, (X, Y, Z) float32 in 0..1."""
    image = to_image(mask.astype(np.float32), like)
    return to_array(resample(smooth(image, grid.GetSpacing()), grid, place))


def head_hull(
    labels: np.ndarray, voxel_mm: tuple[float, float, float], classes: Classes = STUDY_CLASSES
) -> np.ndarray:
    """Closed hull of the head, bool (X, Y, Z): air in it is internal air (sinuses, nasal cavity, ear canals).

    All that is neither air nor background is closed with a ball of `HULL_CLOSING_MM`, and holes are filled in
    the slices of all three directions. Ignored voxels are outside.
    """
    tissue = labels != IGNORED
    if classes.outside is not None:
        tissue &= labels != classes.outside
    margin = [int(np.ceil(HULL_CLOSING_MM / mm)) + 1 for mm in voxel_mm]
    padded = np.pad(tissue, [(m, m) for m in margin])
    near = ndimage.distance_transform_edt(~padded, sampling=voxel_mm) <= HULL_CLOSING_MM
    closed = ndimage.distance_transform_edt(near, sampling=voxel_mm) > HULL_CLOSING_MM
    inner = closed[tuple(slice(m, -m) for m in margin)]
    return fill_slices(inner | tissue) & (labels != IGNORED)
