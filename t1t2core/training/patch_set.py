"""The patches that a network is trained on, or labels."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from t1t2core.preparation.patches import patch_starts
from t1t2core.preparation.prepare import PreparedScan
from t1t2core.settings import TrainingSettings


@dataclass(frozen=True)
class PatchSet:
    """Overlapping patches of several patients' volumes (Sec. 3.4), cut out when asked for.

    The volumes lie where the network is computed: 16 MB each at the paper preset, so that a GPU has room for
    those of all patients and no step waits for a patch to come to it.

    Args:
        images: a volume (X, Y, Z) a patient, float32.
        labels: likewise, uint8; 255 where no label is known.
        sources: the images where they were prepared, in this machine's memory.
        starts: (patient, x, y, z) of each patch's first voxel.
        patch: its size.
        voxel_mm: size of each volume's voxels.
        slides: how many slices down and up the patches of each patient may be moved; None where they stay.
    """

    images: tuple[Tensor, ...]
    labels: tuple[Tensor, ...]
    sources: tuple[Tensor, ...]
    starts: tuple[tuple[int, int, int, int], ...]
    patch: tuple[int, int, int]
    voxel_mm: tuple[tuple[float, float, float], ...]
    slides: tuple[tuple[int, int], ...] | None = None

    @classmethod
    def cut(
        cls, scans: Sequence[PreparedScan], settings: TrainingSettings, device: str = "cpu"
    ) -> "PatchSet":
        """Cut all patches of the scans' boxes at the settings' size and stride, on this device."""
        starts = [
            (patient, *start)
            for patient, scan in enumerate(scans)
            for start in patch_starts(scan.image.shape, settings.patch, settings.stride)
        ]
        sources = tuple(torch.from_numpy(scan.image) for scan in scans)
        images = tuple(source.to(device) for source in sources)
        labels = tuple(torch.from_numpy(scan.labels).to(device) for scan in scans)
        voxel_mm = tuple(scan.voxel_mm for scan in scans)
        return cls(images, labels, sources, tuple(starts), settings.patch, voxel_mm)

    @classmethod
    def cut_sliding(
        cls, scans: Sequence[PreparedScan], settings: TrainingSettings, device: str = "cpu"
    ) -> "PatchSet":
        """Cut the same patches out of the whole scans, so that they can be moved up and down."""
        boxes = cls.cut(scans, settings)
        whole = [scan.whole for scan in scans]
        sources = tuple(torch.from_numpy(scan.image) for scan in whole)
        return replace(
            boxes,
            images=tuple(source.to(device) for source in sources),
            labels=tuple(torch.from_numpy(scan.labels).to(device) for scan in whole),
            sources=sources,
            starts=tuple(_moved(place, whole[place[0]].start) for place in boxes.starts),
            slides=tuple(_slide(scan) for scan in scans),
        )

    def slid(self, random: np.random.Generator) -> "PatchSet":
        """Return the patches each at a random height, where they may be moved."""
        if self.slides is None:
            return self
        moved = []
        for place in self.starts:
            below, above = self.slides[place[0]]
            moved.append(_moved(place, (0, 0, int(random.integers(-below, above + 1)))))
        return replace(self, starts=tuple(moved))

    def __len__(self) -> int:
        return len(self.starts)

    def image(self, number: int) -> Tensor:
        """Patch `number` as (1, 1, x, y, z)."""
        return self._cut(self.images, number)[None, None]

    def label(self, number: int) -> Tensor:
        """Its labels as (1, x, y, z), int64."""
        return self._cut(self.labels, number)[None].long()

    def digest(self, number: int) -> bytes:
        """SHA-256 of its image; a GPU is not asked for it."""
        return hashlib.sha256(self._cut(self.sources, number).numpy().tobytes()).digest()

    def _cut(self, volumes: tuple[Tensor, ...], number: int) -> Tensor:
        patient, x, y, z = self.starts[number]
        i, j, k = self.patch
        return volumes[patient][x : x + i, y : y + j, z : z + k]


def _moved(place: tuple[int, int, int, int], by: tuple[int, int, int]) -> tuple[int, int, int, int]:
    patient, x, y, z = place
    return patient, x + by[0], y + by[1], z + by[2]


def _slide(scan: PreparedScan) -> tuple[int, int]:
    """Count the slices of the whole scan below its box, and above it."""
    below = scan.whole.start[2]
    return below, scan.whole.image.shape[2] - below - scan.image.shape[2]
