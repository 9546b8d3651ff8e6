"""What enters the first trained stage, computed once for a patch."""

from collections.abc import Callable

import torch
from torch import Tensor

from t1t2core.network.segmenter import Segmenter
from t1t2core.network.stage import Features
from t1t2core.training.compute import Compute


class FrozenCache:
    """Features of the frozen part for numbered patches, kept up to a limit.

    The frozen part is a constant function, so its output for a patch is one too. It is always computed
    for one patch at a time: so a number is the same to the bit whether it was kept or computed again.

    Args:
        segmenter: its frozen stages are what is cached.
        image: gives patch number n as (1, 1, x, y, z).
        compute: beyond its `cache_bytes`, patches are computed each time.
    """

    def __init__(self, segmenter: Segmenter, image: Callable[[int], Tensor], compute: Compute) -> None:
        self._segmenter = segmenter
        self._image = image
        self._compute = compute
        self._room = compute.cache_bytes if segmenter.frozen_stages else 0
        self._kept: dict[int, Features] = {}

    def batch(self, numbers: list[int]) -> Features:
        """Features of these patches, (B, C, x, y, z)."""
        parts = [self._one(number) for number in numbers]
        indices = zip(*(part.indices for part in parts), strict=True)
        return Features(torch.cat([part.values for part in parts]), tuple(torch.cat(i) for i in indices))

    def _one(self, number: int) -> Features:
        if number in self._kept:
            return self._kept[number]
        with self._compute.autocast():
            features = self._segmenter.run_frozen(self._image(number).to(self._compute.device))
        size = sum(t.nbytes for t in (features.values, *features.indices))
        if size <= self._room:
            self._kept[number] = features
            self._room -= size
        return features
