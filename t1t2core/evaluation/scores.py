"""Precision, recall, Dice and Jaccard (Sec. 3.6, Eqs 1-4), a patient and pooled over patients."""

import math
from dataclasses import dataclass

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


def _quotient(numerator: int, denominator: int) -> float:
    return numerator / denominator if denominator else math.nan
