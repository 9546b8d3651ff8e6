"""What is known of the tissues in the world of an MR scan, at whatever voxels they are asked for."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import SimpleITK as sitk

from t1t2core.cohort.scan import read_labels, read_scan
from t1t2core.cohort.subject import Subject
from t1t2core.errors import InputError
from t1t2core.preparation.anatomy import Anatomy, ct_anatomy, label_anatomy, mr_anatomy
from t1t2core.preparation.grid import covered, resample, to_array, to_image, within
from t1t2core.preparation.head import AIR_HU, background
from t1t2core.preparation.labels import label_from_ct, label_from_map
from t1t2core.preparation.outlines import OutlineDifference, compare_outlines
from t1t2core.settings import SOURCE, PreparationSettings, Sequence
from t1t2core.settings.classes import IGNORED, STUDY_CLASSES, Classes

Space = Literal["ct", "own", "parts", "other"]
LEAST_OF_HEAD = 0.5
"""Share of the head that a label map has where it is of all of it, not of a tumour (ours)."""
BRIGHTEST_HU = 1500.0
HU_RANGE = np.iinfo(np.int16).min, np.iinfo(np.int16).max


@dataclass(frozen=True, kw_only=True)
class TruthSource:
    """A CT, or the label map that stands in for it.

    Args:
        anatomy: the CT, or what a CT of the label map would show.
        label_map: labels, None where there is a CT.
        classes: what they mean.
        space: what the anatomy is of: the CT; the label map of the whole head (`own`); the scan itself, of
            which the map shows parts (`parts`); or the scan of the other sequence, on which the map lies.
    """

    anatomy: Anatomy
    label_map: sitk.Image | None = None
    classes: Classes = STUDY_CLASSES
    space: Space = "ct"


def read_source(
    subject: Subject, sequence: Sequence, mr: Anatomy, ct: TruthSource | None = None
) -> TruthSource:
    """Read what tells the classes of a subject's scan of a sequence.

    Args:
        mr: anatomy of the scan.
        ct: of the subject, where it was read already.

    Raises:
        InputError: a file cannot be used, or the sequence has neither CT nor label map.
    """
    both = (subject.labels_t1w, subject.t1w), (subject.labels_t2w, subject.t2w)
    (own, _), (other, its_scan) = both if sequence == SOURCE else both[::-1]
    classes = subject.classes
    if own is not None:
        label_map = read_labels(own, classes)
        anatomy = label_anatomy(label_map, classes)
        if covers_head(anatomy, mr):
            return TruthSource(anatomy=anatomy, label_map=label_map, classes=classes, space="own")
        return TruthSource(anatomy=mr, label_map=label_map, classes=classes, space="parts")
    if ct is not None:
        return ct
    if subject.ct is not None:
        return TruthSource(anatomy=ct_anatomy(read_scan(subject.ct)), classes=classes)
    if other is None or its_scan is None:
        suffix = subject.sequences.suffix(sequence)
        raise InputError(f"subject {subject.name}: {suffix} has neither a CT nor a label map")
    label_map = read_labels(other, classes)
    anatomy = as_reference(mr_anatomy(read_scan(its_scan)))
    return TruthSource(anatomy=anatomy, label_map=label_map, classes=classes, space="other")


def covers_head(labels: Anatomy, mr: Anatomy) -> bool:
    """Return whether a label map is of the whole head, and not of structures in it."""
    voxels = [np.count_nonzero(to_array(one.head)) for one in (labels, mr)]
    return bool(voxels[0] > LEAST_OF_HEAD * voxels[1])


def as_reference(scan: Anatomy) -> Anatomy:
    """Return a scan of another sequence with intensities in the range of a CT, as registration takes it."""
    values = to_array(scan.scan)
    low, high = background(scan.scan), float(np.percentile(values, 99.5))
    share = np.clip((values - low) / max(high - low, float(np.finfo(np.float32).tiny)), 0, 1)
    hu = AIR_HU + share * (BRIGHTEST_HU - AIR_HU)
    return replace(scan, scan=to_image(hu.astype(np.float32), scan.scan))


@dataclass(frozen=True, kw_only=True)
class Truth:
    """A source of truth, and how it lies on an MR scan.

    Args:
        to_ct: from the MR's world to the CT's.
        difference: what only one of the two scans shows: there, labels are not those of what MR shows.
    """

    source: TruthSource
    to_ct: sitk.Transform
    difference: OutlineDifference

    @classmethod
    def of(cls, mr: Anatomy, source: TruthSource, to_ct: sitk.Transform) -> "Truth":
        """Compare a source with the MR scan that it lies on."""
        if source.space in ("ct", "own"):
            difference = compare_outlines(mr, source.anatomy, to_ct)
        else:
            difference = OutlineDifference.none(mr.head)
        return cls(source=source, to_ct=to_ct, difference=difference)

    def labels(self, scan: sitk.Image, grid: sitk.Image, settings: PreparationSettings) -> np.ndarray:
        """Classes (X, Y, Z) uint8 at the voxels of `grid`; ignored where they cannot be told.

        Args:
            scan: the MR scan, or a part of it: what lies outside its field of view is ignored.
        """
        ct, label_map, classes = self.source.anatomy, self.source.label_map, self.source.classes
        if label_map is None:
            labels = label_from_ct(ct.scan, ct.measured, self.to_ct, grid, settings, classes)
        else:
            to_map = self.to_ct if self.source.space == "other" else None
            labels = label_from_map(label_map, grid, settings, classes, to_map)
        labels[~covered(scan, grid)] = IGNORED
        labels[within(self.difference.mask, grid)] = IGNORED
        return labels

    def hu(self, grid: sitk.Image) -> np.ndarray | None:
        """CT (X, Y, Z), int16, at the voxels of `grid`; None where there is a label map in its place."""
        if self.source.label_map is not None:
            return None
        values = to_array(resample(self.source.anatomy.scan, grid, self.to_ct))
        return np.clip(np.rint(values), *HU_RANGE).astype(np.int16)
