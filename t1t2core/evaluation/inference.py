"""Labelling whole volumes: patches through the network, softmax averaged where they overlap (Sec. 3.4)."""

import torch
from torch import Tensor
from torch.nn import functional

from t1t2core.network.base import Network
from t1t2core.preparation.patches import merge_patches
from t1t2core.settings.classes import IGNORED
from t1t2core.training.compute import Compute
from t1t2core.training.frozen_cache import FrozenCache
from t1t2core.training.patch_set import PatchSet

AT_ONCE_ON_GPU = 3
"""Patches of a volume that go through together: one alone leaves the coarse levels of a GPU half empty."""


class Predictor:
    """Labels the same volumes again and again while the network learns.

    On a CPU patches go through one at a time, on a GPU a few of the same volume, always the same together: so
    a volume's result does not depend on what is beside it.

    Args:
        patches: cover each of their volumes; on the device.
    """

    def __init__(self, network: Network, patches: PatchSet, compute: Compute) -> None:
        self.network = network
        self.patches = patches
        self.compute = compute
        self._frozen = FrozenCache(network, patches, compute)

    @torch.no_grad()
    def probabilities(self) -> list[Tensor]:
        """Class probabilities of each volume, every one (C, X, Y, Z), float32, on the device."""
        self.network.eval()
        return [self._volume(patient) for patient in range(len(self.patches.images))]

    def _volume(self, patient: int) -> Tensor:
        places = [(n, (x, y, z)) for n, (p, x, y, z) in enumerate(self.patches.starts) if p == patient]
        at_once = 1 if self.compute.device == "cpu" else AT_ONCE_ON_GPU
        parts = []
        for at in range(0, len(places), at_once):
            numbers = [number for number, _ in places[at : at + at_once]]
            with self.compute.autocast():
                logits = self.network.run_trained(self._frozen.batch(numbers))
            parts.append(logits.contiguous().float().softmax(dim=1))
        grid = self.patches.images[patient].shape
        starts = [start for _, start in places]
        return merge_patches(torch.cat(parts), starts, (grid[0], grid[1], grid[2]))


def likeliest(probabilities: Tensor) -> Tensor:
    """The likeliest class of each voxel, (X, Y, Z) uint8, of class probabilities (C, X, Y, Z)."""
    # On a CPU argmax over the first axis takes ten times as long as max.
    return probabilities.max(dim=0).indices.to(torch.uint8)


def cross_entropy(probabilities: Tensor, labels: Tensor) -> float:
    """Mean negative log-probability of the known voxels' labels.

    Args:
        probabilities: (C, X, Y, Z).
        labels: (X, Y, Z) uint8, 255 where unknown, on the same device.
    """
    logs = probabilities.clamp(min=torch.finfo(torch.float32).tiny).log()
    loss = functional.nll_loss(logs[None], labels[None].long(), ignore_index=IGNORED, reduction="sum")
    return float(loss) / max(1, int((labels != IGNORED).sum()))
