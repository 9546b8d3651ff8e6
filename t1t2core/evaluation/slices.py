"""Slices of segmented patients as a trial's record keeps them, and the colours in which they are shown."""

import io
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args

import numpy as np

from t1t2core.errors import InputError
from t1t2core.settings import Sequence
from t1t2core.settings.classes import IGNORED, STUDY_CLASSES, Classes

OUTSIDE = (0, 0, 0)
FEW = ((86, 180, 233), (240, 228, 66))
"""Soft tissue and bone: Okabe & Ito's palette, told apart by the colour-blind and in grey."""
MANY = (
    *((71, 42, 122), (67, 62, 133), (60, 80, 139), (52, 97, 141), (44, 113, 142)),
    *((38, 129, 142), (33, 144, 141), (31, 159, 136), (39, 173, 129), (61, 188, 116)),
    *((92, 200, 99), (129, 211, 77), (170, 220, 50), (213, 226, 26), (253, 231, 37)),
)
"""From dark to bright, to be told apart in grey and by the colour-blind: matplotlib's viridis."""
WRONG = np.array((190, 60, 0), dtype=np.uint8)
"""Their vermilion, darker: in grey it lies between air and soft tissue."""
UNKNOWN = np.array((255, 255, 255), dtype=np.uint8)
SLICES = "slices.npz"
"""Name of the file that keeps them."""
SLICES_VERSION = 1
ARRAYS = ("image", "labels", "prediction", "heights", "voxel_mm")


@dataclass(frozen=True, kw_only=True, eq=False)
class Slices:
    """Axial slices of a test patient, the same ones whatever the trial.

    Args:
        image: MR as grey levels (X, Y, slices), uint8.
        labels: of the classes, 255 without one; shape and type of `image`.
        prediction: likewise.
        heights: index of each slice along Z.
        voxel_mm: size of a voxel along X, Y and Z, mm.
    """

    image: np.ndarray
    labels: np.ndarray
    prediction: np.ndarray
    heights: np.ndarray
    voxel_mm: np.ndarray


PatientSlices = dict[tuple[Sequence, str], Slices]
"""By sequence and patient."""


def pack_slices(found: PatientSlices) -> bytes:
    """Slices as arrays (`.npz`), `SEQUENCE/PATIENT/NAME` each, NAME one of `ARRAYS`."""
    arrays: dict[str, np.ndarray] = {"format_version": np.array(SLICES_VERSION)}
    for (sequence, patient), slices in found.items():
        arrays |= {f"{sequence}/{patient}/{name}": getattr(slices, name) for name in ARRAYS}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]  # its other argument is no array
    return buffer.getvalue()


def unpack_slices(content: bytes) -> PatientSlices:
    """Return what `pack_slices` wrote.

    Raises:
        InputError: the file is damaged or of another version.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            if (version := int(file["format_version"])) != SLICES_VERSION:
                raise InputError(f"{SLICES}: format version {version}, expected {SLICES_VERSION}")
            return dict(_unpack(file))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{SLICES}: not a whole file of slices ({error})") from error


def grey_levels(image: np.ndarray) -> np.ndarray:
    """An image as uint8, from its 1st to its 99th percentile."""
    low, high = np.percentile(image, (1, 99))
    return (np.clip((image - low) / max(high - low, 1e-6), 0, 1) * 255).astype(np.uint8)


def colours_of(classes: Classes) -> np.ndarray:
    """RGB (C, 3), uint8, by label: black is what surrounds the head."""
    inner = [label for label in range(len(classes)) if label != classes.outside]
    step = (len(MANY) - 1) / max(1, len(inner) - 1)
    spread = [MANY[round(place * step)] for place in range(len(inner))]
    found = np.full((len(classes), 3), OUTSIDE, np.uint8)
    found[inner] = FEW[: len(inner)] if len(inner) <= len(FEW) else spread
    return found


def colour_labels(labels: np.ndarray, classes: Classes = STUDY_CLASSES) -> np.ndarray:
    """RGB (..., 3), uint8, of labels (...); white where there is none."""
    unknown = labels == IGNORED
    return np.where(unknown[..., None], UNKNOWN, colours_of(classes)[np.where(unknown, 0, labels)])


def mark_errors(picture: np.ndarray, prediction: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """A picture (..., 3) with `WRONG` wherever the prediction differs from a label that is known."""
    wrong = (labels != IGNORED) & (labels != prediction)
    return np.where(wrong[..., None], WRONG, picture)


def upright(picture: np.ndarray) -> np.ndarray:
    """Turn (left-right, back-front) into a picture with the front up and the patient's left on the right."""
    return np.flip(picture.swapaxes(0, 1), axis=(0, 1))


def _unpack(file: np.lib.npyio.NpzFile) -> Iterator[tuple[tuple[Sequence, str], Slices]]:
    for sequence in get_args(Sequence):
        first = [name for name in file.files if name.startswith(f"{sequence}/") and name.endswith("/image")]
        for name in first:
            patient = name.removeprefix(f"{sequence}/").removesuffix("/image")
            arrays = {array: file[f"{sequence}/{patient}/{array}"] for array in ARRAYS}
            yield (sequence, patient), Slices(**arrays)
