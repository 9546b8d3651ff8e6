"""Precision, recall, Dice and Jaccard (Sec. 3.6, Eqs 1-4), a patient and pooled over patients."""

import math
from dataclasses import dataclass

import numpy as np

from t1t2core.preparation.labels import IGNORED

CLASSES = ("bone", "soft_tissue", "air", "internal_air")
"""What is scored, in the order of the study's tables; `internal_air` is air inside the head's hull."""
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


def count_classes(prediction: np.ndarray, truth: np.ndarray, hull: np.ndarray) -> dict[str, Counts]:
    """Counts of each of `CLASSES` in one patient.

    Args:
        prediction: (X, Y, Z), labels 0 air, 1 soft tissue, 2 bone.
        truth: the same, 255 where unknown.
        hull: (X, Y, Z) bool, the closed hull of the head.
    """
    table = confusion(prediction, truth)
    counts = {name: _counts_of(table, label) for name, label in LABELS.items()}
    inside = confusion(prediction[hull], truth[hull])
    counts["internal_air"] = _counts_of(inside, LABELS["air"])
    return {name: counts[name] for name in CLASSES}


def _counts_of(table: np.ndarray, label: int) -> Counts:
    tp = int(table[label, label])
    return Counts(tp, int(table[:, label].sum()) - tp, int(table[label].sum()) - tp)


def _quotient(numerator: int, denominator: int) -> float:
    return numerator / denominator if denominator else math.nan
