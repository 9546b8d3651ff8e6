"""Voxels of each class counted by true and found label, on the device where the labels are."""

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from t1t2core.evaluation.scores import Counts
from t1t2core.settings.classes import AIR, IGNORED, INTERNAL_AIR, STUDY_CLASSES, Classes

STEPS_BETWEEN_LOOKS = 16
"""Of spreading on a GPU, which waits for each look at whether it has come to an end."""


def confusion(prediction: Tensor, truth: Tensor, classes: int) -> Tensor:
    """Voxels by true class (rows) and predicted class (columns), (C, C) int64; ignored voxels left out.

    Args:
        prediction: labels, uint8.
        truth: likewise, of the same shape, on the same device.
    """
    # Picking out the known voxels would make a GPU wait.
    pairs = (truth.int() * classes + prediction).where(truth != IGNORED, classes**2)
    return torch.bincount(pairs.flatten(), minlength=classes**2 + 1)[:-1].view(classes, classes)


class TrueLabels:
    """The true labels of a scan, by which labels of it are counted, with what is the same for every count.

    Args:
        truth: labels (X, Y, Z) uint8, 255 where unknown.
        hull: (X, Y, Z) bool, the closed hull of the head.
        deep: its part under the skin, see `deep_part`.
        device: where labels are counted.
        classes: what the labels mean.
    """

    def __init__(
        self,
        truth: np.ndarray,
        hull: np.ndarray,
        deep: np.ndarray,
        device: str = "cpu",
        classes: Classes = STUDY_CLASSES,
    ) -> None:
        self._classes = classes
        self._truth, self._hull, self._deep = (
            torch.from_numpy(np.ascontiguousarray(volume)).to(device) for volume in (truth, hull, deep)
        )
        self._known = self._truth != IGNORED
        self._air = classes.labels.get(AIR)
        if self._air is not None:
            self._is_air = self._truth == self._air
            self._inside_air = self._inside(self._is_air) & self._known

    def count(self, prediction: Tensor) -> dict[str, Counts]:
        """Return the counts of each class, and of internal air where there is air, in the order of tables.

        Args:
            prediction: labels, (X, Y, Z) uint8, on the device.
        """
        classes, number = self._classes, len(self._classes)
        parts = [confusion(prediction, self._truth, number).flatten()]
        if self._air is not None:
            parts.append(self._count_internal_air(prediction))
        # One transfer from a GPU for all.
        flat = torch.cat(parts).tolist()
        rows = [flat[at : at + number] for at in range(0, number**2, number)]
        counts = {name: _counts_of(rows, label) for name, label in classes.labels.items()}
        if self._air is not None:
            counts[INTERNAL_AIR] = Counts(*flat[number**2 :])
        return {name: counts[name] for name in classes.scored}

    def _count_internal_air(self, prediction: Tensor) -> Tensor:
        """Count air inside the head that is right, wrong and missed, (3,).

        It is deep in the hull, or under the skin without a way to the air around it: a scalp that is labelled
        a voxel too thin is no air inside the head. What is air inside by one of both and air in any way by
        the other is right.
        """
        assert self._air is not None
        air = torch.eq(prediction, self._air)
        found = self._inside(air) & self._known
        there = self._inside_air
        return torch.stack([(there & air).sum(), (found & ~self._is_air).sum(), (there & ~air).sum()])

    def _inside(self, air: Tensor) -> Tensor:
        return air & self._hull & (self._deep | ~open_part(air, air & ~self._hull))


def deep_part(hull: np.ndarray, voxel_mm: tuple[float, float, float], rim_mm: float) -> np.ndarray:
    """Return the voxels of a head's hull that lie deeper than a rim, (X, Y, Z) bool.

    Where the volume cuts the head off is no skin.
    """
    return hull & (ndimage.distance_transform_edt(hull, sampling=voxel_mm) > rim_mm)


def open_part(mask: Tensor, seeds: Tensor) -> Tensor:
    """Return the pieces of a mask, joined by faces of voxels, that hold a seed; all (X, Y, Z) bool."""
    if mask.device.type == "cpu":
        pieces, count = ndimage.label(mask.numpy())
        is_open = np.zeros(count + 1, bool)
        is_open[pieces[seeds.numpy()]] = True
        is_open[0] = False
        return torch.from_numpy(is_open[pieces])
    return spread_within(mask, seeds)


def spread_within(mask: Tensor, seeds: Tensor) -> Tensor:
    """Do what `open_part` does by spreading from voxel to voxel, as suits a GPU."""
    reached = seeds & mask
    while True:
        before = reached.clone()
        for _ in range(STEPS_BETWEEN_LOOKS):
            for axis, length in enumerate(mask.shape):
                low, high = reached.narrow(axis, 0, length - 1), reached.narrow(axis, 1, length - 1)
                # Not in place: what is read would be written to.
                up, down = high | low, low | high
                high.copy_(up)
                low.logical_or_(down)
                reached &= mask
        if torch.equal(before, reached):
            return reached


def _counts_of(table: list[list[int]], label: int) -> Counts:
    tp = table[label][label]
    return Counts(tp, sum(row[label] for row in table) - tp, sum(table[label]) - tp)
