"""What a process does once, before the first training that it times."""

import torch

from t1t2core.network.build import build_network
from t1t2core.settings import NetworkSettings, TrainingSettings
from t1t2core.training.compute import Compute
from t1t2core.training.loss import ClassSums, segmentation_loss

LONGEST_SIDE = 64
"""Voxels: what is compiled for a patch of this size serves larger ones, too."""


def warm_up(network: NetworkSettings, training: TrainingSettings, compute: Compute) -> None:
    """A step on an empty image, then a look at it: libraries import and compile what they do at first use.

    The first training would be charged with that, which is some 15 s where nothing compiled is on disk yet.
    """
    segmenter = build_network(network, seed=0).to(compute.device)
    grid = [min(side, LONGEST_SIDE) for side in training.patch]
    image = torch.zeros((training.batch_size, 1, *grid), device=compute.device)
    labels = torch.zeros((training.batch_size, *grid), dtype=torch.int64, device=compute.device)
    if training.augmentation:
        import t1t2core.training.augmentation  # noqa: F401
    optimiser = torch.optim.Adam(segmenter.parameters())
    with compute.autocast():
        logits = segmenter.train()(image)
    segmentation_loss(ClassSums.of(logits, labels), "cross_entropy_dice", None).backward()
    optimiser.step()
    with torch.no_grad(), compute.autocast():
        segmenter.eval()(image)
