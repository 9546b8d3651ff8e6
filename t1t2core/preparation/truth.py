"""What is known of the tissues in the world of an MR scan, at whatever voxels they are asked for."""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from t1t2core.cohort.scan import read_labels, read_scan
from t1t2core.cohort.subject import Subject
from t1t2core.errors import InputError
from t1t2core.preparation.anatomy import Anatomy, ct_anatomy, label_anatomy
from t1t2core.preparation.grid import covered, resample, to_array, within
from t1t2core.preparation.labels import IGNORED, label_from_ct, label_from_map
from t1t2core.preparation.outlines import OutlineDifference, compare_outlines
from t1t2core.settings import PreparationSettings, Sequence

HU_RANGE = np.iinfo(np.int16).min, np.iinfo(np.int16).max


@dataclass(frozen=True, kw_only=True)
class TruthSource:
    """A CT, or the label map that stands in for it.

    Args:
        anatomy: the CT, or what a CT of the label map would show.
        label_map: None where there is a CT.
    """

    anatomy: Anatomy
    label_map: sitk.Image | None = None


def read_source(subject: Subject, sequence: Sequence, ct: TruthSource | None = None) -> TruthSource:
    """Read what tells the tissues of a subject's T1w or T2w scan.

    Args:
        ct: of the subject, where it was read already.

    Raises:
        InputError: a file cannot be used, or the sequence has neither CT nor label map.
    """
    path = subject.labels_t1w if sequence == "T1" else subject.labels_t2w
    if path is not None:
        label_map = read_labels(path)
        return TruthSource(anatomy=label_anatomy(label_map), label_map=label_map)
    if ct is not None:
        return ct
    if subject.ct is None:
        raise InputError(f"subject {subject.name}: {sequence} has neither a CT nor a label map")
    return TruthSource(anatomy=ct_anatomy(read_scan(subject.ct)))


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
        return cls(source=source, to_ct=to_ct, difference=compare_outlines(mr, source.anatomy, to_ct))

    def labels(self, scan: sitk.Image, grid: sitk.Image, settings: PreparationSettings) -> np.ndarray:
        """Classes (X, Y, Z) uint8 at the voxels of `grid`; ignored where they cannot be told.

        Args:
            scan: the MR scan, or a part of it: what lies outside its field of view is ignored.
        """
        ct, label_map = self.source.anatomy, self.source.label_map
        if label_map is None:
            labels = label_from_ct(ct.scan, ct.measured, self.to_ct, grid, settings)
        else:
            labels = label_from_map(label_map, grid, settings)
        labels[~covered(scan, grid)] = IGNORED
        labels[within(self.difference.mask, grid)] = IGNORED
        return labels

    def hu(self, grid: sitk.Image) -> np.ndarray | None:
        """CT (X, Y, Z), int16, at the voxels of `grid`; None where there is a label map in its place."""
        if self.source.label_map is not None:
            return None
        values = to_array(resample(self.source.anatomy.scan, grid, self.to_ct))
        return np.clip(np.rint(values), *HU_RANGE).astype(np.int16)
