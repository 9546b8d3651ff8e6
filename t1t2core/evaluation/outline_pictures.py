"""Pictures of prepared scans with their labels in outline, by which a person sees whether these are right."""

import io
from collections.abc import Iterator

import numpy as np
from PIL import Image
from scipy import ndimage

from t1t2core.evaluation.slices import colours_of, grey_levels
from t1t2core.preparation.prepare import PreparedScan, PreparedSubject
from t1t2core.settings.classes import IGNORED, Classes

PIXELS_PER_MM = 1.25
LIGHTER = 0.3
"""Share of white in the colours of outlines, which lie on dark tissue."""
GAP = 4
"""Pixels between planes."""
PLANES = ("axial", "coronal", "sagittal")
"""Through the middle of the head; the patient's left is on the right, the front up or on the left."""


def outline_colours(classes: Classes) -> dict[str, tuple[int, int, int]]:
    """Return the RGB of each class's outline, in the order of tables; what surrounds the head has none."""
    lighter = np.rint(colours_of(classes) * (1 - LIGHTER) + 255 * LIGHTER).astype(int)
    shown = [name for name in classes.order if classes.labels[name] != classes.outside]
    return {name: tuple(lighter[classes.labels[name]].tolist()) for name in shown}


def draw_outlines(subject: PreparedSubject) -> bytes:
    """Draw a PNG: a row for each of the subject's sequences, source first; columns as `PLANES`."""
    scans = [subject.t1, *([] if subject.t2 is None else [subject.t2])]
    picture = _stack([_stack(list(_planes(scan)), axis=1) for scan in scans], axis=0)
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _planes(scan: PreparedScan) -> Iterator[np.ndarray]:
    """Draw the planes of all that was scanned, RGB (rows, columns, 3) each."""
    whole, colours = scan.whole, outline_colours(scan.classes)
    grey = grey_levels(whole.image)
    where = whole.head if whole.head.any() else np.ones_like(whole.head)
    middle = [round(float(places.mean())) for places in np.nonzero(where)]
    for across in (2, 1, 0):
        kept = [axis for axis in range(3) if axis != across]
        mm = [whole.voxel_mm[axis] * PIXELS_PER_MM for axis in kept]
        cut = np.take(grey, middle[across], axis=across), np.take(whole.labels, middle[across], axis=across)
        # Up is the last row's end of both axes; the left of the patient is on the right.
        shades, labels = (np.flip(part.T, axis=(0, 1)) for part in cut)
        size = (max(1, round(shades.shape[1] * mm[0])), max(1, round(shades.shape[0] * mm[1])))
        large = Image.fromarray(np.ascontiguousarray(shades)).resize(size, Image.Resampling.BILINEAR)
        coarse = Image.fromarray(np.ascontiguousarray(labels)).resize(size, Image.Resampling.NEAREST)
        picture = np.array(large)[..., None].repeat(3, axis=2)
        found = np.array(coarse)
        for name, colour in colours.items():
            picture[_outline(found == scan.classes.labels[name], found != IGNORED)] = colour
        yield picture


def _outline(mask: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return the pixels of a class beside those of another one; what is ignored has no border."""
    return mask & ndimage.binary_dilation(known & ~mask)


def _stack(parts: list[np.ndarray], axis: int) -> np.ndarray:
    """Put pictures beside each other (axis 1) or under each other (0), padded to one size."""
    side = max(part.shape[1 - axis] for part in parts)
    padded = []
    for part in parts:
        margin = [(0, 0), (0, 0), (0, 0)]
        margin[1 - axis] = (0, side - part.shape[1 - axis])
        margin[axis] = (0, 0 if part is parts[-1] else GAP)
        padded.append(np.pad(part, margin))
    return np.concatenate(padded, axis=axis)
