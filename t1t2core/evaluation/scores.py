"""Precision, recall, Dice and Jaccard (Sec. 3.6, Eqs 1-4), a patient and pooled over patients."""

import math
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from t1t2core.preparation.labels import IGNORED

CLASSES = ("bone", "soft_tissue", "air", "internal_air")
"""What is scored, in the order of the study's tables; `internal_air` is air inside the head."""
TISSUES = ("bone", "soft_tissue", "air")
"""The classes of which every voxel has one."""
LABELS = {"air": 0, "soft_tissue": 1, "bone": 2}
METRICS = ("precision", "recall", "dsc", "jsc")


@dataclass(frozen=True)
class Counts:
    """True positive, false positive and false negative voxels of one class.

    A quotient without a denominator is undefined and given as NaN: an absent class is neither right
    nor wrong.
    """

    tp: int
    fp: int
    fn: int

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn)

    @property
    def precision(self) -> float:
        """Eq. 1."""
        return _quotient(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float:
        """Eq. 2."""
        return _quotient(self.tp, self.tp + self.fn)

    @property
    def dsc(self) -> float:
        """Eq. 3."""
        return _quotient(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def jsc(self) -> float:
        """Eq. 4, as the quotient it equals."""
        return _quotient(self.tp, self.tp + self.fp + self.fn)


def confusion(prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Voxels by true class (rows) and predicted class (columns), (3, 3) int64; ignored voxels left out."""
    known = truth != IGNORED
    pairs = truth[known].astype(np.int64) * len(LABELS) + prediction[known]
    return np.bincount(pairs, minlength=len(LABELS) ** 2).reshape(len(LABELS), len(LABELS))


def count_classes(
    prediction: np.ndarray, truth: np.ndarray, hull: np.ndarray, deep: np.ndarray
) -> dict[str, Counts]:
    """Counts of each of `CLASSES` in one patient.

    Args:
        prediction: (X, Y, Z), labels 0 air, 1 soft tissue, 2 bone.
        truth: the same, 255 where unknown.
        hull: (X, Y, Z) bool, the closed hull of the head.
        deep: its part under the skin, see `deep_part`.
    """
    table = confusion(prediction, truth)
    counts = {name: _counts_of(table, label) for name, label in LABELS.items()}
    counts["internal_air"] = _internal_air(prediction, truth, hull, deep)
    return {name: counts[name] for name in CLASSES}


def deep_part(hull: np.ndarray, voxel_mm: tuple[float, float, float], rim_mm: float) -> np.ndarray:
    """Return the voxels of a head's hull that lie deeper than a rim, (X, Y, Z) bool.

    Where the volume cuts the head off is no skin.
    """
    return hull & (ndimage.distance_transform_edt(hull, sampling=voxel_mm) > rim_mm)


def _internal_air(prediction: np.ndarray, truth: np.ndarray, hull: np.ndarray, deep: np.ndarray) -> Counts:
    """Count air inside the head: deep in its hull, or under the skin without a way to the air around it.

    A scalp that is labelled a voxel too thin is no air inside the head. What is air inside by one of both and
    air in any way by the other is right.
    """
    known, air = truth != IGNORED, LABELS["air"]
    found, there = (_inside(labels == air, hull, deep) & known for labels in (prediction, truth))
    right = there & (prediction == air)
    return Counts(int(right.sum()), int((found & (truth != air)).sum()), int((there & ~right).sum()))


def _inside(air: np.ndarray, hull: np.ndarray, deep: np.ndarray) -> np.ndarray:
    pieces, count = ndimage.label(air)
    is_open = np.zeros(count + 1, bool)
    is_open[pieces[air & ~hull]] = True
    return air & hull & (deep | ~is_open[pieces])


def _counts_of(table: np.ndarray, label: int) -> Counts:
    tp = int(table[label, label])
    return Counts(tp, int(table[:, label].sum()) - tp, int(table[label].sum()) - tp)


def _quotient(numerator: int, denominator: int) -> float:
    return numerator / denominator if denominator else math.nan
