"""What enters the first trained stage, computed once for a patch."""

from collections.abc import Callable

from torch import Tensor

from t1t2core.network.base import Network
from t1t2core.network.stage import Features, join
from t1t2core.training.compute import Compute


class FrozenCache:
    """Features of the frozen part for numbered patches, kept up to a limit.

    The frozen part is a constant function, so its output for a patch is one too. It is always computed
    for one patch at a time: so a number is the same to the bit whether it was kept or computed again.

    Args:
        network: its frozen part is what is cached.
        image: gives patch number n as (1, 1, x, y, z).
        compute: beyond its `cache_bytes`, patches are computed each time.
    """

    def __init__(self, network: Network, image: Callable[[int], Tensor], compute: Compute) -> None:
        self._network = network
        self._image = image
        self._compute = compute
        self._room = compute.cache_bytes if network.has_frozen_part else 0
        self._kept: dict[int, Features] = {}

    def batch(self, numbers: list[int]) -> Features:
        """Features of these patches, (B, C, x, y, z)."""
        return join([self._one(number) for number in numbers])

    def _one(self, number: int) -> Features:
        if number in self._kept:
            return self._kept[number]
        with self._compute.autocast():
            features = self._network.run_frozen(self._image(number).to(self._compute.device))
        size = sum(tensor.nbytes for tensor in features.tensors)
        if size <= self._room:
            self._kept[number] = features
            self._room -= size
        return features
