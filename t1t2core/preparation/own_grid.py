"""The true classes of a scan at the voxels of the scan itself, for programs with a grid of their own."""

import numpy as np
import SimpleITK as sitk

from t1t2core.cohort.scan import read_scan
from t1t2core.cohort.subject import Subject
from t1t2core.preparation.alignment import Alignment, transform_of
from t1t2core.preparation.anatomy import mr_anatomy
from t1t2core.preparation.threads import one_thread
from t1t2core.preparation.truth import Truth, read_source
from t1t2core.settings import SOURCE, PreparationSettings, Sequence


@one_thread()
def labels_on_scan(
    subject: Subject, sequence: Sequence, alignment: Alignment, settings: PreparationSettings
) -> tuple[sitk.Image, np.ndarray]:
    """Return a subject's scan as it is, and its labels (X, Y, Z), uint8, 255 where they cannot be told.

    Args:
        alignment: of CT or label map with the scan, as the preparation found it.

    Raises:
        InputError: a file cannot be read.
    """
    path = subject.t1w if sequence == SOURCE else subject.t2w
    assert path is not None, "the subject has the sequence"
    scan = read_scan(path)
    mr = mr_anatomy(scan)
    truth = Truth.of(mr, read_source(subject, sequence, mr), transform_of(alignment.to_ct))
    return scan, truth.labels(mr.scan, scan, settings)
