"""Losses over three classes, with voxels of unknown label left out."""

from collections.abc import Sequence

import torch
from torch import Tensor

from t1t2core.preparation.labels import IGNORED

SMOOTHING = 1e-5
"""Keeps the soft Dice of an absent class defined; MONAI's default for the same purpose."""


def segmentation_loss(
    logits: Tensor, labels: Tensor, kind: str, weights: Tensor | None, *, whole: Tensor | None = None
) -> Tensor:
    """The loss that `TrainingSettings.loss` names.

    Args:
        logits: (B, 3, X, Y, Z).
        labels: (B, X, Y, Z), int64, 255 where unknown.
        weights: of the classes (3,), for `weighted_cross_entropy`, else None.
        whole: labels of the whole batch of which `labels` are a share, perhaps an empty one: the losses of
            the shares add up to that of the batch.
    """
    whole = labels if whole is None else whole
    truth, logs = _one_hot(labels, logits), logits.log_softmax(dim=1)
    loss = logits.new_zeros(())
    if "cross_entropy" in kind:
        loss = loss + _cross_entropy(logs, truth, weights, whole)
    if "dice" in kind:
        loss = loss + _soft_dice_loss(logs.exp(), truth, len(whole))
    return loss


def _one_hot(labels: Tensor, logits: Tensor) -> Tensor:
    """Labels in shape and type of the logits; 0 in every class where the label is unknown."""
    classes = torch.arange(logits.shape[1], device=labels.device).view(-1, 1, 1, 1)
    # As numbers, once: each product with truth values would make its own copy of them as numbers.
    return (labels[:, None] == classes).to(logits.dtype)


def _cross_entropy(logs: Tensor, truth: Tensor, weights: Tensor | None, whole: Tensor) -> Tensor:
    """As torch has it, mean over known voxels, weighted by class; 0 and not NaN where none is known."""
    known = whole != IGNORED
    # Sums of masks, since picking out the known voxels would make a GPU wait.
    if weights is None:
        return -(logs * truth).sum() / known.sum().clamp(min=1)
    mass = (weights[whole.where(known, 0)] * known).sum()
    return -(logs * truth * weights.view(-1, 1, 1, 1)).sum() / mass.where(mass > 0, 1)


def _soft_dice_loss(probability: Tensor, truth: Tensor, patches: int) -> Tensor:
    """1 - 2 sum(p t) / (sum(p) + sum(t)) over the known voxels, mean over patches and classes.

    Milletari et al., 3DV 2016, with first powers in the denominator, as MONAI's DiceLoss.

    Args:
        patches: of the batch of which these are a share.
    """
    probability = probability * truth.sum(dim=1, keepdim=True)
    space = (2, 3, 4)
    overlap = (probability * truth).sum(space)
    total = probability.sum(space) + truth.sum(space)
    dice = (2 * overlap + SMOOTHING) / (total + SMOOTHING)
    return len(truth) / patches - dice.sum() / (patches * truth.shape[1])


def class_shares(labels: Sequence[Tensor], classes: int = 3) -> Tensor:
    """Share of each class among the known voxels, (3,); an absent class counts as one voxel."""
    counts = torch.stack([torch.bincount(t.flatten(), minlength=IGNORED + 1)[:classes] for t in labels]).sum(
        0
    )
    present = counts.clamp(min=1).double()
    return (present / present.sum()).float()


def class_weights(shares: Tensor) -> Tensor:
    """Inverse class shares with mean 1, for `weighted_cross_entropy`."""
    return (1 / shares) / (1 / shares).mean()
