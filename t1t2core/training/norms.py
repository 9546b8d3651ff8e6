"""Batch-norm statistics estimated anew, with no weight trained (AdaBN, Li et al., ICLR workshop 2017)."""

import torch
from torch import nn

from t1t2core.network.segmenter import Segmenter
from t1t2core.training.compute import Compute
from t1t2core.training.patch_set import PatchSet


@torch.no_grad()
def adapt_norms(segmenter: Segmenter, patches: PatchSet, batch_size: int, compute: Compute) -> None:
    """Replaces every layer's stored mean and variance by those over `patches`, each seen once.

    The mean over batches is plain (not the decaying one of training), so the order of the patches does
    not count but for rounding.
    """
    norms = [part for part in segmenter.modules() if isinstance(part, nn.BatchNorm3d)]
    decay = [norm.momentum for norm in norms]
    segmenter.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # torch's sign for a plain mean over batches
        norm.train()
    for at in range(0, len(patches), batch_size):
        numbers = range(at, min(at + batch_size, len(patches)))
        images = torch.cat([patches.image(number) for number in numbers]).to(compute.device)
        with compute.autocast():
            segmenter(images)
    for norm, momentum in zip(norms, decay, strict=True):
        norm.momentum = momentum
        norm.eval()
    segmenter.norms_adapted = True
