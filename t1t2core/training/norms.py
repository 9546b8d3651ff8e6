"""Batch-norm statistics estimated anew, with no weight trained (AdaBN, Li et al., ICLR workshop 2017)."""

import torch
from torch import nn

from t1t2core.network.staged import StagedNetwork
from t1t2core.training.compute import Compute
from t1t2core.training.patch_set import PatchSet

PLAIN_BATCHES = 10
"""Batches after which torch's decay of 0.1 is as slow as a plain mean would be."""


def warm_norms(network: nn.Module) -> None:
    """Lets fresh batch-norm layers keep a plain mean over their first batches.

    Stored statistics start at mean 0 and variance 1. With torch's decay they are still far from the true
    ones after dozens of steps, and until then the network labels everything as one class when it is scored.
    Call before each training step; layers that have seen enough are left as they are.
    """
    for part in network.modules():
        if isinstance(part, nn.BatchNorm3d) and part.training and part.num_batches_tracked is not None:
            seen = int(part.num_batches_tracked)
            if seen <= PLAIN_BATCHES:
                part.momentum = max(1 / PLAIN_BATCHES, 1 / (seen + 1))


@torch.no_grad()
def adapt_norms(network: StagedNetwork, patches: PatchSet, batch_size: int, compute: Compute) -> None:
    """Replaces every layer's stored mean and variance by those over `patches`, each seen once.

    The mean over batches is plain (not the decaying one of training), so the order of the patches does
    not count but for rounding.
    """
    norms = [part for part in network.modules() if isinstance(part, nn.BatchNorm3d)]
    decay = [norm.momentum for norm in norms]
    network.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # torch's sign for a plain mean over batches
        norm.train()
    for at in range(0, len(patches), batch_size):
        numbers = range(at, min(at + batch_size, len(patches)))
        images = torch.cat([patches.image(number) for number in numbers])
        with compute.autocast():
            network(images)
    for norm, momentum in zip(norms, decay, strict=True):
        norm.momentum = momentum
        norm.eval()
    network.norms_adapted = True
