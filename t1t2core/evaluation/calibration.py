"""How far class probabilities can be believed: Brier score, expected calibration error, reliability."""

from dataclasses import dataclass

import numpy as np

from t1t2core.settings.classes import IGNORED, STUDY_CLASSES, Classes

BINS = 15
"""Of equal width between 0 and 1: those of Guo et al., ICML 2017, arXiv:1706.04599."""


@dataclass(frozen=True)
class Calibration:
    """Probabilities of one class against what is there, over the known voxels of a patient.

    Sums, so that those of several patients can be added up.

    Args:
        squares: sum of (p - y)^2, where y is 1 in voxels of the class and 0 elsewhere.
        voxels: in each bin of p.
        probabilities: sum of p in each bin.
        true: voxels of the class in each bin.
    """

    squares: float
    voxels: tuple[int, ...]
    probabilities: tuple[float, ...]
    true: tuple[int, ...]

    def __add__(self, other: "Calibration") -> "Calibration":
        voxels, probabilities, true = (
            tuple(a + b for a, b in zip(getattr(self, name), getattr(other, name), strict=True))
            for name in ("voxels", "probabilities", "true")
        )
        return Calibration(self.squares + other.squares, voxels, probabilities, true)

    @property
    def brier(self) -> float:
        """Mean of (p - y)^2 (Brier, Mon. Weather Rev. 78, 1950), 0 to 1; NaN without voxels."""
        return self.squares / total if (total := sum(self.voxels)) else float("nan")

    @property
    def ece(self) -> float:
        """Expected calibration error: |mean p - share of the class| of a bin, weighted by its voxels."""
        gaps = np.abs(np.subtract(self.probabilities, self.true)).sum()
        return float(gaps / total) if (total := sum(self.voxels)) else float("nan")


def calibrate(
    probabilities: np.ndarray, truth: np.ndarray, classes: Classes = STUDY_CLASSES
) -> dict[str, Calibration]:
    """Compare class probabilities with the true classes, class by class.

    Args:
        probabilities: (C, X, Y, Z), by label.
        truth: labels (X, Y, Z), 255 where unknown.
    """
    known = truth != IGNORED
    return {
        name: _of_class(probabilities[label][known].astype(np.float64), truth[known] == label)
        for name, label in classes.labels.items()
    }


def _of_class(p: np.ndarray, y: np.ndarray) -> Calibration:
    bins = np.minimum((p * BINS).astype(np.int64), BINS - 1)
    voxels, true = np.bincount(bins, minlength=BINS), np.bincount(bins[y], minlength=BINS)
    sums = np.bincount(bins, weights=p, minlength=BINS)
    return Calibration(
        float(((p - y) ** 2).sum()), *map(tuple, (voxels.tolist(), sums.tolist(), true.tolist()))
    )
