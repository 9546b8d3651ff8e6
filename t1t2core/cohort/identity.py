"""What tells one scan from another: what is read from its files, whatever these are called or look like."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from t1t2core.cohort.scan import examine_scan
from t1t2core.errors import InputError
from t1t2core.settings.classes import STUDY_CLASSES, Classes


@dataclass(frozen=True)
class Identity:
    """Digests of one scan as it is read.

    Args:
        scan: SHA-256 of the voxels and of where they lie. Equal for two files that hold the same image, say
            compressed or not; different as soon as anything that a network could see differs.
        values: SHA-256 of the sorted voxel values. Equal for a copy that was turned, flipped or given another
            header.
    """

    scan: str
    values: str


def identity_of(image: sitk.Image) -> Identity:
    """The identity of a scan that was read."""
    voxels = sitk.GetArrayViewFromImage(image)
    digest = hashlib.sha256(f"{image.GetPixelIDTypeAsString()} {image.GetSize()}".encode())
    for numbers in (image.GetSpacing(), image.GetOrigin(), image.GetDirection()):
        digest.update(np.array(numbers, np.float64).tobytes())
    digest.update(np.ascontiguousarray(voxels).data)
    # -0.0 and 0.0 are one value.
    values = np.sort(voxels.astype(np.float32).ravel() + np.float32(0))
    return Identity(digest.hexdigest(), hashlib.sha256(values.data).hexdigest())


def read_identity(path: Path, kind: str, classes: Classes = STUDY_CLASSES) -> Identity:
    """Read the scan at `path` as a `kind` (see `examine_scan`) and tell its identity.

    Raises:
        InputError: it cannot be read.
    """
    image, defects = examine_scan(path, kind, classes)
    if image is None:
        raise InputError(f"{path}: {defects[0]}")
    return identity_of(image)
