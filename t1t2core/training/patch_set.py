"""The patches that a network is trained on, or labels."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

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
    """

    images: tuple[Tensor, ...]
    labels: tuple[Tensor, ...]
    sources: tuple[Tensor, ...]
    starts: tuple[tuple[int, int, int, int], ...]
    patch: tuple[int, int, int]
    voxel_mm: tuple[tuple[float, float, float], ...]

    @classmethod
    def cut(
        cls, scans: Sequence[PreparedScan], settings: TrainingSettings, device: str = "cpu"
    ) -> "PatchSet":
        """Cut all patches of the scans at the settings' size and stride, on this device."""
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
