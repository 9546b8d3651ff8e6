"""Class probabilities of a whole scan: the box around the head that training takes, and all around it."""

from collections.abc import Sequence

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from t1t2core.network.base import Network
from t1t2core.preparation.grid import span
from t1t2core.preparation.patches import Voxel, patch_starts
from t1t2core.preparation.prepare import PreparedImage, WholeScan
from t1t2core.settings import TrainingSettings
from t1t2core.settings.classes import STUDY_CLASSES, Classes
from t1t2core.training.compute import Compute

OUTSIDE_BEYOND_MM = 10.0
"""Thicker than what the outline of the head misses, ears for instance."""
Box = tuple[slice, slice, slice]


def class_probabilities(
    scan: PreparedImage | WholeScan,
    grid: Voxel,
    networks: Sequence[Network],
    training: TrainingSettings,
    compute: Compute,
    within: Tensor | None = None,
    classes: Classes = STUDY_CLASSES,
) -> np.ndarray:
    """Compute class probabilities (C, X, Y, Z), float32, of a whole scan: the mean over networks and patches.

    In the box around the head the patches are those of training and scoring, so recorded scores hold for
    it: a network depends on where in the head a patch begins. (Patches that begin elsewhere, half
    overlapping, cost 0.06 to 0.12 of Dice for bone in six simulated heads.) Around the box, which training
    never saw, patches overlap by half: with no overlap, soft tissue there lost 0.03 to 0.05. There, too, all
    that is `OUTSIDE_BEYOND_MM` off the head is what surrounds it, air or background: in patches of nothing
    but noise networks see tissue.

    Args:
        grid: voxels of the box.
        within: those of the box, (C, x, y, z), where they are known already.
        classes: of the networks; where none of them surrounds the head, networks label that too.
    """
    image, patch = scan.image, training.patch
    box = span(scan.start, grid)
    far = np.zeros(scan.head.shape, bool)
    if classes.outside is not None:
        far = ndimage.distance_transform_edt(~scan.head, sampling=scan.voxel_mm) > OUTSIDE_BEYOND_MM
    half = (patch[0] // 2, patch[1] // 2, patch[2] // 2)
    around = [
        start
        for start in patch_starts(image.shape, patch, half)
        if not _lies_in(start, patch, box) and not far[span(start, patch)].all()
    ]
    probabilities = _mean_over_patches(image, around, patch, networks, compute, len(classes))
    if classes.outside is not None:
        probabilities[:, far] = np.eye(len(classes), dtype=np.float32)[:, [classes.outside]]
    if within is None:
        starts = patch_starts(grid, patch, training.stride)
        inside = _mean_over_patches(image[box], starts, patch, networks, compute, len(classes))
    else:
        inside = within.cpu().numpy()
    probabilities[(slice(None), *box)] = inside
    return probabilities


def _lies_in(start: Voxel, patch: Voxel, box: Box) -> bool:
    """Return whether a patch lies in the box."""
    return all(part.start <= a and a + n <= part.stop for a, n, part in zip(start, patch, box, strict=True))


@torch.no_grad()
def _mean_over_patches(
    image: np.ndarray,
    starts: list[Voxel],
    patch: Voxel,
    networks: Sequence[Network],
    compute: Compute,
    classes: int,
) -> np.ndarray:
    """Class probabilities (C, X, Y, Z) where there are patches, NaN elsewhere."""
    for network in networks:
        network.to(compute.device).eval()
    volume = torch.from_numpy(np.ascontiguousarray(image)).to(compute.device)
    total, count = volume.new_zeros((classes, *volume.shape)), torch.zeros_like(volume)
    for start in starts:
        where = span(start, patch)
        total[(..., *where)] += _mean_over_networks(volume[where], networks, compute)
        count[where] += 1
    return (total / count).cpu().numpy()


def _mean_over_networks(patch: Tensor, networks: Sequence[Network], compute: Compute) -> Tensor:
    """Class probabilities (C, x, y, z) of a patch (x, y, z), on the device."""
    with compute.autocast():
        logits = [network(patch[None, None]) for network in networks]
    return torch.stack([one[0].float().softmax(dim=0) for one in logits]).mean(dim=0)
