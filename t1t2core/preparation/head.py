"""Where the head is in a scan, without the table it lies on."""

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from t1t2core.preparation.grid import resample_isotropic, to_array, to_image

HEAD_SPACING_MM = 2.0
"""Voxel size at which heads are searched; smaller details do not matter there."""
NOISE_SMOOTHING_MM = 1.5
SCALP_MM = (2.5, 5.0)
"""Depth below the surface found first in which the scalp is, at any age."""
BACKGROUND_PERCENTILE = 1.0
"""Of an MR scan's intensities: its background, which is not at 0 any more in a scan that was z-scored."""
BLACK_SHARE = 0.01
"""Share of the 99th percentile above the background below which all MR intensities are the same black."""
SKIN_HU = -300.0
"""Halfway between air and fat or so: the surface of the head in CT."""
AIR_HU = -1000.0
RIM_VOXELS = 2
"""Voxels kept around the head found, so that its surface stays as the scan has it."""


def mr_head(mr: sitk.Image) -> sitk.Image:
    """The head in an MR scan: uint8 image at voxels of `HEAD_SPACING_MM`, air inside it included.

    What stands out of the noise in the smoothed scan comes first. That puts the surface of a bright scalp
    too far out; it lies where intensities are halfway between scalp and air.
    """
    coarse = resample_isotropic(mr, HEAD_SPACING_MM)
    smoothed = to_array(sitk.SmoothingRecursiveGaussian(coarse - background(mr), NOISE_SMOOTHING_MM))
    bright = max(float(np.percentile(smoothed, 99)), float(np.finfo(np.float32).tiny))
    limit = bright * np.exp(_noise_limit(np.log(np.clip(smoothed / bright, BLACK_SHARE, 1))))
    roughly = _solid(fill_slices(smoothed > limit))
    depth = ndimage.distance_transform_edt(roughly, sampling=HEAD_SPACING_MM)
    scalp, around = (depth > SCALP_MM[0]) & (depth < SCALP_MM[1]), depth == 0
    if not (scalp.any() and around.any()):
        return to_image(roughly, coarse)
    values = to_array(coarse)
    halfway = (np.median(values[scalp]) + np.median(values[around])) / 2
    return to_image(fill_slices(roughly & ((values > halfway) | (depth > SCALP_MM[1]))), coarse)


def background(mr: sitk.Image) -> float:
    """The intensity of the background of an MR scan, 0 or nearly so in magnitude images."""
    return float(np.percentile(sitk.GetArrayViewFromImage(mr), BACKGROUND_PERCENTILE))


def _noise_limit(logarithm: np.ndarray) -> float:
    """Find where noise ends, of logarithms of intensities: between its median and Otsu's threshold.

    The logarithm brings the darkest scalp nearer to the brain than to the noise.
    """
    otsu = sitk.OtsuThresholdImageFilter()
    otsu.Execute(sitk.GetImageFromArray(logarithm))
    noise = logarithm[logarithm <= otsu.GetThreshold()]
    return (otsu.GetThreshold() + float(np.median(noise))) / 2 if noise.size else otsu.GetThreshold()


def ct_head(ct: sitk.Image) -> sitk.Image:
    """The head in a CT: uint8 image at voxels of `HEAD_SPACING_MM`, air inside it included, no table."""
    coarse = resample_isotropic(ct, HEAD_SPACING_MM)
    return to_image(_solid(to_array(coarse) > SKIN_HU), coarse)


def remove_table(ct: sitk.Image, head: sitk.Image) -> sitk.Image:
    """The CT with everything further than a rim of `RIM_VOXELS` from the head set to air."""
    rim = sitk.BinaryDilate(head, [RIM_VOXELS] * 3, sitk.sitkBall)
    near = sitk.Resample(
        rim, ct, sitk.Transform(), sitk.sitkNearestNeighbor, 0, useNearestNeighborExtrapolator=True
    )
    return sitk.Mask(ct, near, AIR_HU)


def fill_slices(mask: np.ndarray) -> np.ndarray:
    """A bool mask (X, Y, Z) with the holes of every slice of the three directions filled."""
    for axis in range(3):
        cross = np.zeros((3, 3, 3), bool)
        cross[1] = ndimage.generate_binary_structure(2, 1)
        mask = ndimage.binary_fill_holes(mask, np.moveaxis(cross, 0, axis))
    return mask


def _solid(mask: np.ndarray) -> np.ndarray:
    """The largest piece of a bool mask after an opening by two voxels, without holes in any slice."""
    ball = ndimage.iterate_structure(ndimage.generate_binary_structure(3, 1), 2)
    pieces, count = ndimage.label(ndimage.binary_opening(mask, ball))
    if count == 0:
        return mask
    return fill_slices(pieces == 1 + np.argmax(np.bincount(pieces.ravel())[1:]))
