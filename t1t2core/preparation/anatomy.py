"""A scan and the head in it, whatever the scan is: MR, CT, or a label map that stands in for a CT."""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from t1t2core.preparation.grid import to_array, to_image, to_ras
from t1t2core.preparation.head import AIR_HU, ct_head, mr_head, remove_table
from t1t2core.preparation.reconstruction import measured
from t1t2core.settings.classes import AIR, IGNORED, STUDY_CLASSES, Classes

SOFT_HU = 40.0
TYPICAL_HU = {AIR: AIR_HU, "bone": 1200.0}
"""Of classes, Hounsfield units: what makes a label map comparable with a CT; the others count as soft."""


@dataclass(frozen=True, kw_only=True)
class Anatomy:
    """A scan with its axes near RAS, and where the head is in it.

    Args:
        scan: MR intensities, or HU without table and padding.
        head: uint8 mask at voxels of `HEAD_SPACING_MM`, in the same world.
        measured: uint8 mask on the grid of `scan`: 0 where the scanner measured nothing.
    """

    scan: sitk.Image
    head: sitk.Image
    measured: sitk.Image


def mr_anatomy(mr: sitk.Image) -> Anatomy:
    """Find the anatomy of an MR scan, float32, any orientation."""
    scan = to_ras(mr)
    return Anatomy(scan=scan, head=mr_head(scan), measured=_everywhere(scan))


def ct_anatomy(ct: sitk.Image) -> Anatomy:
    """Find the anatomy of a CT in HU, float32, any orientation; all but the head becomes air."""
    scan = to_ras(ct)
    inside = measured(scan)
    scan = to_image(np.where(inside, to_array(scan), np.float32(AIR_HU)), scan)
    head = ct_head(scan)
    return Anatomy(scan=remove_table(scan, head), head=head, measured=to_image(inside, scan))


def label_anatomy(label_map: sitk.Image, classes: Classes = STUDY_CLASSES) -> Anatomy:
    """Find the anatomy of a label map (see `read_labels`), as the CT that it stands in for."""
    upright = to_ras(label_map)
    hu = np.full(IGNORED + 1, SOFT_HU, np.float32)
    for label, name in enumerate(classes.names):
        hu[label] = AIR_HU if label == classes.outside else TYPICAL_HU.get(name, SOFT_HU)
    scan = to_image(hu[to_array(upright)], upright)
    return Anatomy(scan=scan, head=ct_head(scan), measured=_everywhere(scan))


def _everywhere(scan: sitk.Image) -> sitk.Image:
    return to_image(np.ones(scan.GetSize(), bool), scan)
