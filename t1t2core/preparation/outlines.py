"""Where the head of an MR scan and that of its CT differ: one of the two saw what the other did not."""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from t1t2core.preparation.anatomy import Anatomy
from t1t2core.preparation.grid import resample, to_array, to_image, within
from t1t2core.preparation.head import HEAD_SPACING_MM, SKIN_HU

OUTLINE_MM = 4.0
"""Two outlines of one head differ by no more: two voxels of the masks, or hair and skin that moved (ours)."""
MOST_ONLY_IN_MR_ML, MOST_ONLY_IN_CT_ML = 30.0, 5.0
"""Volumes beyond which a person should look. 34 pairs of the phantom had at most 15 ml and 1.3 ml (ours)."""


@dataclass(frozen=True, kw_only=True)
class OutlineDifference:
    """What only one of two scans of a head shows, at the voxels of the MR's head mask (X, Y, Z), bool.

    Args:
        only_in_mr: pieces of the head that the CT lacks, thicker than twice `OUTLINE_MM`: cut off by its
            reconstruction circle, or not labelled.
        only_in_ct: what is denser than air in the CT, further than `OUTLINE_MM` from the MR's head: a holder,
            a mask, a frame, which MR does not show.
        grid: those voxels, as an image.
    """

    only_in_mr: np.ndarray
    only_in_ct: np.ndarray
    grid: sitk.Image

    @classmethod
    def none(cls, grid: sitk.Image) -> "OutlineDifference":
        """Return that of scans whose outlines are not compared."""
        nothing = np.zeros(grid.GetSize(), bool)
        return cls(only_in_mr=nothing, only_in_ct=nothing, grid=grid)

    @property
    def mask(self) -> sitk.Image:
        """Both, uint8: there, labels from CT are not those of what MR shows."""
        return to_image(self.only_in_mr | self.only_in_ct, self.grid)

    @property
    def volumes_ml(self) -> dict[str, float]:
        """Volume of each, ml."""
        voxel_ml = HEAD_SPACING_MM**3 / 1000
        masks = {"only_in_mr": self.only_in_mr, "only_in_ct": self.only_in_ct}
        return {name: round(float(mask.sum() * voxel_ml), 1) for name, mask in masks.items()}

    def doubts(self) -> list[str]:
        """Return what a person should look at, a sentence each."""
        volumes, found = self.volumes_ml, []
        if volumes["only_in_mr"] > MOST_ONLY_IN_MR_ML:
            found.append(
                f"{volumes['only_in_mr']:g} ml of the head are not in the CT or label map (outside its "
                "reconstruction circle?): ignored"
            )
        if volumes["only_in_ct"] > MOST_ONLY_IN_CT_ML:
            found.append(
                f"{volumes['only_in_ct']:g} ml in the CT or label map lie outside the head in MR (a head "
                "holder, mask or frame?): ignored"
            )
        return found


def compare_outlines(mr: Anatomy, ct: Anatomy, to_ct: sitk.Transform) -> OutlineDifference:
    """Find what only one of two aligned scans shows of a head.

    Args:
        ct: the CT, or the label map in its place.
        to_ct: from the MR's world to the CT's.
    """
    seen = within(ct.measured, mr.head, to_ct)
    mine, theirs = to_array(mr.head) > 0, within(ct.head, mr.head, to_ct)
    tissue = to_array(resample(ct.scan, mr.head, to_ct)) > SKIN_HU
    ball = ndimage.iterate_structure(
        ndimage.generate_binary_structure(3, 1), round(OUTLINE_MM / HEAD_SPACING_MM)
    )
    away = ndimage.distance_transform_edt(~mine, sampling=HEAD_SPACING_MM) > OUTLINE_MM
    return OutlineDifference(
        only_in_mr=ndimage.binary_opening(mine & ~theirs & seen, ball),
        only_in_ct=tissue & seen & away,
        grid=mr.head,
    )
