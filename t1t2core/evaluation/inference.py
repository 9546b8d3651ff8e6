"""Labelling whole volumes: patches through the network, softmax averaged where they overlap (Sec. 3.4)."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from t1t2core.evaluation.scores import IGNORED
from t1t2core.network.base import Network
from t1t2core.preparation.patches import merge_patches
from t1t2core.training.compute import Compute
from t1t2core.training.frozen_cache import FrozenCache
from t1t2core.training.patch_set import PatchSet


class Predictor:
    """Labels the same volumes again and again while the network learns.

    Patches go through one at a time, so that a volume's result does not depend on what is beside it.

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
        """Class probabilities of each volume, every one (3, X, Y, Z), float32, on the CPU."""
        self.network.eval()
        return [self._volume(patient) for patient in range(len(self.patches.images))]

    def _volume(self, patient: int) -> Tensor:
        """Merged on the device: a GPU is waited for once a volume, not once a patch."""
        places = [(n, (x, y, z)) for n, (p, x, y, z) in enumerate(self.patches.starts) if p == patient]
        parts = []
        for number, _ in places:
            with self.compute.autocast():
                logits = self.network.run_trained(self._frozen.batch([number]))
            parts.append(logits.contiguous().float().softmax(dim=1))
        grid = self.patches.images[patient].shape
        starts = [start for _, start in places]
        return merge_patches(torch.cat(parts), starts, (grid[0], grid[1], grid[2])).cpu()


def likeliest(probabilities: Tensor) -> np.ndarray:
    """The likeliest class of each voxel, (X, Y, Z) uint8, of class probabilities (C, X, Y, Z)."""
    # On a CPU argmax over the first axis takes ten times as long as max.
    return probabilities.max(dim=0).indices.to(torch.uint8).numpy()


def cross_entropy(probabilities: Tensor, labels: Tensor) -> float:
    """Mean negative log-probability of the known voxels' labels.

    Args:
        probabilities: (3, X, Y, Z).
        labels: (X, Y, Z) uint8, 255 where unknown.
    """
    logs = probabilities.clamp(min=torch.finfo(torch.float32).tiny).log()
    loss = functional.nll_loss(logs[None], labels[None].long(), ignore_index=IGNORED, reduction="sum")
    return float(loss) / max(1, int((labels != IGNORED).sum()))
