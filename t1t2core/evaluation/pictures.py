"""Pictures of a trial for its record."""

import io
from collections.abc import Mapping
from functools import partial
from typing import get_args

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from t1t2core.evaluation.counting import confusion
from t1t2core.evaluation.slices import PatientSlices, Slices, colour_labels, grey_levels, mark_errors, upright
from t1t2core.preparation.prepare import PreparedScan
from t1t2core.settings import Sequence
from t1t2core.settings.classes import STUDY_CLASSES, Classes

Test = tuple[Sequence, str]
"""A test scan: its sequence and its patient."""
PALEST, DARKEST = np.array((240, 246, 252)), np.array((8, 48, 107))
"""Of the shares 0 and 1 in a confusion matrix."""
CELL = (170, 70)
"""Pixels of one of its cells."""
FONT_SIZE = 16
ZOOM = 3
SHOWN_SLICES = (0.3, 0.5, 0.7)
"""Heights in the volume, as shares, at which axial slices are drawn."""


def cut_slices(
    scans: Mapping[Test, PreparedScan], predictions: Mapping[Test, np.ndarray], most: int
) -> PatientSlices:
    """Cut slices from the first `most` test scans of each sequence.

    Args:
        predictions: labels (X, Y, Z) of some of the scans.
    """
    found: PatientSlices = {}
    for wanted in get_args(Sequence):
        tests = [test for test in predictions if test[0] == wanted]
        found |= {test: _slices_of(scans[test], predictions[test]) for test in tests[:most]}
    return found


def draw_slices(found: PatientSlices, classes: Classes = STUDY_CLASSES) -> dict[str, bytes]:
    """Draw a PNG for each test patient: rows are slices; columns MR, true labels, prediction, errors."""
    return {
        f"slices_{sequence}_{patient}.png": _png(
            np.concatenate([_row(slices, place, classes) for place in range(len(slices.heights))])
        )
        for (sequence, patient), slices in found.items()
    }


def draw_confusion(scans: Mapping[Test, PreparedScan], predictions: Mapping[Test, np.ndarray]) -> bytes:
    """Draw a PNG of the test scans' pooled confusion matrix, shares of each true class.

    Drawn without matplotlib, which takes a worker half a second to import and a tenth for each picture.
    """
    classes = next((scan.classes for scan in scans.values()), STUDY_CLASSES)
    names = classes.names
    table = sum(
        (
            confusion(torch.from_numpy(prediction), torch.from_numpy(scans[test].labels), len(names)).numpy()
            for test, prediction in predictions.items()
        ),
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


def _slices_of(scan: PreparedScan, prediction: np.ndarray) -> Slices:
    heights = [int(share * prediction.shape[2]) for share in SHOWN_SLICES]
    return Slices(
        image=np.stack([grey_levels(scan.image[:, :, k]) for k in heights], axis=2),
        labels=scan.labels[:, :, heights],
        prediction=prediction[:, :, heights],
        heights=np.array(heights),
        voxel_mm=np.array(scan.voxel_mm),
    )


def _row(slices: Slices, place: int, classes: Classes) -> np.ndarray:
    image, labels, prediction = (a[:, :, place] for a in (slices.image, slices.labels, slices.prediction))
    grey = image[..., None].repeat(3, axis=2)
    errors = mark_errors(grey, prediction, labels)
    columns = [grey, colour_labels(labels, classes), colour_labels(prediction, classes), errors]
    return np.concatenate([upright(column) for column in columns], axis=1)


def _png(pixels: np.ndarray) -> bytes:
    picture = Image.fromarray(np.ascontiguousarray(pixels).astype(np.uint8))
    buffer = io.BytesIO()
    picture.resize((picture.width * ZOOM, picture.height * ZOOM), Image.Resampling.NEAREST).save(
        buffer, "PNG"
    )
    return buffer.getvalue()
