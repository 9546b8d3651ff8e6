"""Pictures of a trial for its record, and the slices that they show, for figures across trials."""

import io
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import get_args

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from t1t2core.errors import InputError
from t1t2core.evaluation.scores import IGNORED, LABELS, confusion
from t1t2core.experiment import Outcome
from t1t2core.preparation.prepare import PreparedScan
from t1t2core.settings import Sequence
from t1t2core.trial import AnyExperiment

COLOURS = np.array([(0, 0, 0), (86, 180, 233), (240, 228, 66)], dtype=np.uint8)
"""Air, soft tissue, bone: Okabe & Ito's palette, told apart by the colour-blind and in grey."""
WRONG = np.array((190, 60, 0), dtype=np.uint8)
"""Their vermilion, darker: in grey it lies between air and soft tissue."""
UNKNOWN = np.array((255, 255, 255), dtype=np.uint8)
PALEST, DARKEST = np.array((240, 246, 252)), np.array((8, 48, 107))
"""Of the shares 0 and 1 in a confusion matrix."""
CELL = (170, 70)
"""Pixels of one of its cells."""
FONT_SIZE = 16
ZOOM = 3
SHOWN_SLICES = (0.3, 0.5, 0.7)
"""Heights in the volume, as shares, at which axial slices are drawn."""
SLICES = "slices.npz"
"""Name of the file that keeps them."""
SLICES_VERSION = 1
ARRAYS = ("image", "labels", "prediction", "heights", "voxel_mm")


@dataclass(frozen=True, kw_only=True, eq=False)
class Slices:
    """Axial slices of a test patient, the same ones whatever the trial.

    Args:
        image: MR as grey levels (X, Y, slices), uint8.
        labels: 0 air, 1 soft tissue, 2 bone, 255 without a label; shape and type of `image`.
        prediction: 0 air, 1 soft tissue, 2 bone; shape and type of `image`.
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


def draw_slices(experiment: AnyExperiment, outcome: Outcome) -> dict[str, bytes]:
    """PNG files by name, one a test patient: rows are slices; columns MR, CT labels, prediction, errors."""
    return {
        f"slices_{sequence}_{patient}.png": _png(
            np.concatenate([_row(slices, place) for place in range(len(slices.heights))])
        )
        for (sequence, patient), slices in _cut(experiment, outcome).items()
    }


def pack_slices(experiment: AnyExperiment, outcome: Outcome) -> bytes:
    """The same slices as arrays (`.npz`), `SEQUENCE/PATIENT/NAME` each, NAME one of `ARRAYS`."""
    arrays: dict[str, np.ndarray] = {"format_version": np.array(SLICES_VERSION)}
    for (sequence, patient), slices in _cut(experiment, outcome).items():
        arrays |= {f"{sequence}/{patient}/{name}": getattr(slices, name) for name in ARRAYS}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]  # its other argument is no array
    return buffer.getvalue()


def unpack_slices(content: bytes) -> PatientSlices:
    """What `pack_slices` wrote.

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


def draw_confusion(experiment: AnyExperiment, outcome: Outcome) -> bytes:
    """PNG of the test patients' pooled confusion matrix, shares of each true class.

    Drawn without matplotlib, which takes a worker half a second to import and a tenth for each picture.
    """
    names = list(LABELS)
    table = sum(
        (confusion(p, experiment.scans[s].test[n].labels) for (s, n), p in outcome.predictions.items()),
        np.zeros((len(names), len(names)), dtype=np.int64),
    )
    share = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    ticks = [name.replace("_", " ") for name in names]
    left, top, (width, height) = 180, 70, CELL
    picture = Image.new("RGB", (left + len(ticks) * width + 20, top + len(ticks) * height + 20), "white")
    draw = ImageDraw.Draw(picture)
    write = partial(draw.text, font=ImageFont.load_default(FONT_SIZE), fill="black")
    write((left, 12), "Test voxels, share of the true class")
    for place, tick in enumerate(ticks):
        write((left - 12, top + (place + 0.5) * height), f"true {tick}", anchor="rm")
        write((left + (place + 0.5) * width, top - 8), f"predicted {tick}", anchor="mb")
    for (row, column), value in np.ndenumerate(share):
        x, y = left + column * width, top + row * height
        shade = tuple((PALEST + value * (DARKEST - PALEST)).astype(int))
        draw.rectangle((x, y, x + width, y + height), fill=shade, outline="white")
        middle = (x + width / 2, y + height / 2)
        write(middle, f"{value:.3f}", anchor="mm", fill="white" if value > 0.5 else "black")
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def grey_levels(image: np.ndarray) -> np.ndarray:
    """An image as uint8, from its 1st to its 99th percentile."""
    low, high = np.percentile(image, (1, 99))
    return (np.clip((image - low) / max(high - low, 1e-6), 0, 1) * 255).astype(np.uint8)


def colour_labels(labels: np.ndarray) -> np.ndarray:
    """RGB (..., 3), uint8, of labels (...); white where there is none."""
    unknown = labels == IGNORED
    return np.where(unknown[..., None], UNKNOWN, COLOURS[np.where(unknown, 0, labels)])


def mark_errors(picture: np.ndarray, prediction: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """A picture (..., 3) with `WRONG` wherever the prediction differs from a label that is known."""
    wrong = (labels != IGNORED) & (labels != prediction)
    return np.where(wrong[..., None], WRONG, picture)


def upright(picture: np.ndarray) -> np.ndarray:
    """From (left-right, back-front) to a picture with the front up and the patient's left on the right."""
    return np.flip(picture.swapaxes(0, 1), axis=(0, 1))


def _cut(experiment: AnyExperiment, outcome: Outcome) -> PatientSlices:
    """Of the first test patients of each sequence."""
    found: PatientSlices = {}
    for wanted in get_args(Sequence):
        patients = [patient for sequence, patient in outcome.predictions if sequence == wanted]
        for patient in patients[: experiment.evaluation.pictures]:
            scan = experiment.scans[wanted].test[patient]
            found[wanted, patient] = _slices_of(scan, outcome.predictions[wanted, patient])
    return found


def _slices_of(scan: PreparedScan, prediction: np.ndarray) -> Slices:
    heights = [int(share * prediction.shape[2]) for share in SHOWN_SLICES]
    return Slices(
        image=np.stack([grey_levels(scan.image[:, :, k]) for k in heights], axis=2),
        labels=scan.labels[:, :, heights],
        prediction=prediction[:, :, heights],
        heights=np.array(heights),
        voxel_mm=np.array(scan.voxel_mm),
    )


def _unpack(file: np.lib.npyio.NpzFile) -> Iterator[tuple[tuple[Sequence, str], Slices]]:
    for sequence in get_args(Sequence):
        first = [name for name in file.files if name.startswith(f"{sequence}/") and name.endswith("/image")]
        for name in first:
            patient = name.removeprefix(f"{sequence}/").removesuffix("/image")
            arrays = {array: file[f"{sequence}/{patient}/{array}"] for array in ARRAYS}
            yield (sequence, patient), Slices(**arrays)


def _row(slices: Slices, place: int) -> np.ndarray:
    image, labels, prediction = (a[:, :, place] for a in (slices.image, slices.labels, slices.prediction))
    grey = image[..., None].repeat(3, axis=2)
    errors = mark_errors(grey, prediction, labels)
    columns = [grey, colour_labels(labels), colour_labels(prediction), errors]
    return np.concatenate([upright(column) for column in columns], axis=1)


def _png(pixels: np.ndarray) -> bytes:
    picture = Image.fromarray(np.ascontiguousarray(pixels).astype(np.uint8))
    buffer = io.BytesIO()
    picture.resize((picture.width * ZOOM, picture.height * ZOOM), Image.Resampling.NEAREST).save(
        buffer, "PNG"
    )
    return buffer.getvalue()
