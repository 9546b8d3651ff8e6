"""What enters the first trained stage, computed once for a patch."""

import hashlib
import time
from collections.abc import Hashable, Sequence

import torch
from torch import Tensor, nn

from t1t2core.network.base import Network
from t1t2core.network.stage import Features, join
from t1t2core.training.compute import Compute
from t1t2core.training.patch_set import PatchSet


class FrozenCache:
    """Features of the frozen part for numbered patches, kept in `Compute.features`.

    The frozen part is a constant function, so its output for a patch is one too, whoever computes it: kept
    under digests of the frozen stages' weights and of the patch, it serves every trial that freezes the same.
    One that freezes more stages of the same network goes on from there. All is always computed for one patch
    at a time: so a number is the same to the bit whether it was kept or computed again.

    Args:
        network: its frozen part is what is cached.
        patches: on the device.
    """

    def __init__(self, network: Network, patches: PatchSet, compute: Compute) -> None:
        self._network = network
        self._patches = patches
        self._compute = compute
        self._chains: list[list[nn.Module]] = []
        self._names: list[list[bytes]] = []
        self._digests: dict[int, bytes] = {}

    def batch(self, numbers: list[int]) -> Features:
        """Features of these patches, (B, C, x, y, z)."""
        self._follow()
        with torch.no_grad():
            return join([self._one(number) for number in numbers])

    def _follow(self) -> None:
        """Find out what is frozen now: a training may thaw some of it from one epoch to the next."""
        if (chains := self._network.frozen_chains) != self._chains:
            self._chains = chains
            self._names = [_digests(chain) if self._compute.features.limit else [] for chain in chains]

    def _one(self, number: int) -> Features:
        image = self._patches.image(number)
        outputs = [
            self._run(number, image, chain, names)
            for chain, names in zip(self._chains, self._names, strict=True)
        ]
        return self._network.combine_frozen(image, outputs)

    def _run(self, number: int, image: Tensor, chain: Sequence[nn.Module], names: list[bytes]) -> Features:
        """Compute one chain's output, from the longest part of it that is kept."""
        store = self._compute.features
        features, seconds, done = Features(image), 0.0, 0
        for length in range(len(names), 0, -1):
            if kept := store.get(self._key(number, names[length - 1])):
                (features, seconds), done = kept, length
                break
        if done == len(chain):
            return features
        if names:
            # A GPU may still be at work on the step before: that is no time of these features.
            self._compute.finish()
        started = time.perf_counter()
        with self._compute.autocast():
            for stage in chain[done:]:
                features = stage(features)
        if names:
            self._compute.finish()
            seconds += time.perf_counter() - started
            store.put(self._key(number, names[-1]), features, seconds)
        return features

    def _key(self, number: int, stages: bytes) -> Hashable:
        if number not in self._digests:
            self._digests[number] = self._patches.digest(number)
        return self._compute.precision, self._compute.device, self._digests[number], stages


def _digests(chain: Sequence[nn.Module]) -> list[bytes]:
    """Hash the first stage, the first two, and so on: what they are and their weights."""
    running, digests = hashlib.sha256(), []
    for stage in chain:
        running.update(repr(stage).encode())
        for tensor in stage.state_dict().values():
            running.update(tensor.detach().cpu().contiguous().numpy())
        digests.append(running.copy().digest())
    return digests
