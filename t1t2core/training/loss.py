"""Losses over the classes, with voxels of unknown label left out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from t1t2core.network import kernels

SMOOTHING = 1e-5
"""Keeps the soft Dice of an absent class defined; MONAI's default for the same purpose."""
SPACE = (2, 3, 4)


@dataclass(frozen=True)
class ClassSums:
    """What losses and accuracy need of a batch: over the voxels of each patch whose label is known.

    Args:
        surprise: negative log-probability of the class where it is the label, (B, 3) as are the next three.
        probable: probability of the class.
        overlap: probability of the class where it is the label.
        present: voxels whose label it is.
        right: voxels, (B,), whose likeliest class is their label.
    """

    surprise: Tensor
    probable: Tensor
    overlap: Tensor
    present: Tensor
    right: Tensor

    @classmethod
    def of(cls, logits: Tensor, labels: Tensor) -> "ClassSums":
        """Sum up logits (B, 3, X, Y, Z) and labels (B, X, Y, Z), int64, 255 where unknown."""
        if kernels.suits_classes(logits):
            sums, right = _Sums.apply(logits, labels)
            surprise, probable, overlap, present = sums.unbind()
            return cls(surprise, probable, overlap, present.detach(), right)
        # With the three channels last in memory, softmax would move them to the front and back.
        logits = logits.contiguous().float()
        truth, logs = _one_hot(labels, logits.shape[1]).to(logits.dtype), logits.log_softmax(dim=1)
        probability = logs.exp()
        # Sums of products with masks, since picking out the known voxels would make a GPU wait.
        return cls(
            surprise=-(logs * truth).sum(SPACE),
            probable=(probability * truth.sum(dim=1, keepdim=True)).sum(SPACE),
            overlap=(probability * truth).sum(SPACE),
            present=truth.sum(SPACE),
            right=(logits.max(1).indices == labels).flatten(1).sum(1),
        )


def segmentation_loss(
    sums: ClassSums, kind: str, weights: Tensor | None, *, whole: Tensor | None = None
) -> Tensor:
    """The loss that `TrainingSettings.loss` names.

    Args:
        weights: of the classes (3,), for `weighted_cross_entropy`, else None.
        whole: labels of the whole batch of which `sums` have a share, perhaps an empty one: the losses of the
            shares add up to that of the batch.
    """
    present = (
        sums.present
        if whole is None
        else _one_hot(whole, sums.present.shape[1]).sum(SPACE).to(sums.present.dtype)
    )
    loss = sums.surprise.new_zeros(())
    if "cross_entropy" in kind:
        loss = loss + _cross_entropy(sums, weights, present)
    if "dice" in kind:
        loss = loss + _soft_dice_loss(sums, len(present))
    return loss


def _one_hot(labels: Tensor, classes: int) -> Tensor:
    """(B, C, X, Y, Z); false in every class where the label is unknown."""
    return labels[:, None] == torch.arange(classes, device=labels.device).view(-1, 1, 1, 1)


def _cross_entropy(sums: ClassSums, weights: Tensor | None, present: Tensor) -> Tensor:
    """Compute it as torch does: mean over known voxels, weighted by class; 0 and not NaN where none is known.

    Args:
        present: voxels of each patch and class of the whole batch.
    """
    weights = present.new_ones(present.shape[1]) if weights is None else weights
    mass = (present * weights).sum()
    return (sums.surprise * weights).sum() / mass.where(mass > 0, 1)


def _soft_dice_loss(sums: ClassSums, patches: int) -> Tensor:
    """1 - 2 sum(p t) / (sum(p) + sum(t)) over the known voxels, mean over patches and classes.

    Milletari et al., 3DV 2016, with first powers in the denominator, as MONAI's DiceLoss.

    Args:
        patches: of the batch of which these are a share.
    """
    dice = (2 * sums.overlap + SMOOTHING) / (sums.probable + sums.present + SMOOTHING)
    share, classes = dice.shape
    return share / patches - dice.sum() / (patches * classes)


class _Sums(torch.autograd.Function):
    """The first four sums, (4, B, 3), and the fifth, in one pass over memory; the gradient in another."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        assert labels.shape == (len(logits), *logits.shape[2:])
        voxels, own = logits.movedim(1, -1).flatten(1, 3), labels.flatten(1).contiguous()
        patches, count, classes = voxels.shape
        probabilities = torch.empty((patches, classes, count))
        sums, right = torch.empty((4, patches, classes)), torch.empty(patches)
        kernels.class_sums(*map(kernels.numbers, (voxels, own, probabilities, sums, right)))
        ctx.save_for_backward(logits, probabilities, own)
        ctx.mark_non_differentiable(right)
        return sums, right

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor, _: Tensor) -> tuple[Tensor, None]:
        logits, probabilities, own = ctx.saved_tensors
        grad_logits = torch.empty_like(logits)
        voxels = grad_logits.movedim(1, -1).flatten(1, 3)
        kernels.class_sums_backward(
            *map(kernels.numbers, (probabilities, own, grad_output.contiguous(), voxels))
        )
        return grad_logits, None


def class_shares(labels: Sequence[Tensor], classes: int = 3) -> Tensor:
    """Share of each class among the known voxels, (3,); an absent class counts as one voxel."""
    # Not by bincount, for which a GPU is waited for.
    counts = [torch.stack([(volume == label).sum() for volume in labels]).sum() for label in range(classes)]
    present = torch.stack(counts).clamp(min=1).double()
    return (present / present.sum()).float()


def class_weights(shares: Tensor) -> Tensor:
    """Inverse class shares with mean 1, for `weighted_cross_entropy`."""
    return (1 / shares) / (1 / shares).mean()
