"""How long a patch takes to be trained on and to be labelled, without any scans."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from t1t2core.network.architectures import architecture_of
from t1t2core.network.build import build_network
from t1t2core.settings import Precision, Settings
from t1t2core.strategies import STRATEGIES
from t1t2core.strategies.factors import Factors
from t1t2core.training.compute import Compute

MEASURED = 2
"""Times of which the fastest counts, after one to warm up."""
LARGEST_SIDE = 32
"""Voxels of a patch's side that are measured on a CPU; larger patches cost in proportion to their voxels."""


@dataclass(frozen=True)
class PatchSeconds:
    """Seconds that one patch takes to be labelled, and to be trained on (0 where nothing is trained)."""

    label: float
    train: float

    def times(self, factor: float) -> "PatchSeconds":
        """Return the seconds where all takes so many times as long."""
        return PatchSeconds(self.label * factor, self.train * factor)


def time_patch(
    factors: Factors, settings: Settings, precision: Precision, device: str = "cpu"
) -> PatchSeconds:
    """Measure a patch of an arm: on a GPU as large as it is, on one core of a CPU a part of it."""
    strategy, compute = STRATEGIES[factors.strategy], Compute(precision=precision, device=device)
    training, classes = strategy.training(factors, settings), len(settings.classes)
    pretrained = build_network(settings.network, classes=classes, seed=0).state_dict()
    network = strategy.build(factors, settings.network, pretrained=pretrained, classes=classes).to(device)
    sides = list(training.patch)
    if device == "cpu":
        torch.set_num_threads(1)  # as trials have
        # One voxel on the coarsest grid would be too few for instance norm.
        largest = max(LARGEST_SIDE, 2 * architecture_of(settings.network.architecture).divisor)
        sides = [min(side, largest) for side in sides]
    scale = math.prod(training.patch) / math.prod(sides)
    # In float32 a single image that is trained on takes a slower way than a batch, or than one labelled.
    images = torch.zeros((training.batch_size, 1, *sides), device=device)
    with torch.no_grad(), compute.autocast():
        if not strategy.trains:
            return PatchSeconds(scale * _fastest(lambda: network(images[:1]), compute), 0.0)
        features = network.run_frozen(images)  # once a patch for many trials
        one = features.first(1)
        label = _fastest(lambda: network.run_trained(one), compute)

    def train() -> None:
        with compute.autocast():
            logits = network.run_trained(features)
        logits.float().mean().backward()

    return PatchSeconds(scale * label, scale * _fastest(train, compute) / training.batch_size)


def _fastest(work: Callable[[], object], compute: Compute) -> float:
    times = []
    for _ in range(MEASURED + 1):
        compute.finish()
        started = time.perf_counter()
        work()
        compute.finish()
        times.append(time.perf_counter() - started)
    return min(times[1:])
