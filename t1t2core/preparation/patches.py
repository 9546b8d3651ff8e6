"""Overlapping patches of a volume (Sec. 3.4 of the study), and volumes merged from them."""

import math
from itertools import product

import torch

from t1t2core.errors import InputError

DIVISOR = 8
"""Three poolings halve each side three times."""

MOST_VOXELS = 2**28
"""Of a grid: 1 GB a volume, eighty times the study's."""

MOST_PATCHES = 100_000
"""That cover a grid: with more a single epoch would take days."""

Voxel = tuple[int, int, int]


def patch_starts(grid: Voxel, patch: Voxel, stride: Voxel) -> list[Voxel]:
    """First voxels of the patches that cover a volume of `grid` voxels, in the order of the axes.

    Neighbours are `stride` voxels apart; the last patch along an axis ends with the volume.

    Raises:
        InputError: the patch is larger than the grid, not divisible by 8, the stride leaves gaps, or
            there are too many.
    """
    findings = []
    for axis, size, side, step in zip(("x", "y", "z"), grid, patch, stride, strict=True):
        if side > size:
            findings.append(f"along {axis} a patch has {side} voxels, the grid only {size}")
        if side % DIVISOR:
            findings.append(f"along {axis} a patch has {side} voxels; it must be divisible by {DIVISOR}")
        if not 1 <= step <= side:
            findings.append(f"along {axis} the stride is {step}; it must be 1 to {side}, the patch's side")
    if findings:
        raise InputError.collect("The patches do not fit:", findings)
    if math.prod(grid) > MOST_VOXELS:
        shown = " x ".join(map(str, grid))
        raise InputError(f"The grid has {shown} voxels; at most {MOST_VOXELS:,} in all are possible")
    counts = [-(-(size - side) // step) + 1 for size, side, step in zip(grid, patch, stride, strict=True)]
    if math.prod(counts) > MOST_PATCHES:
        shown = " x ".join(map(str, counts))
        raise InputError(
            f"The grid has {shown} patches, at most {MOST_PATCHES:,} are possible: raise the stride"
        )
    x, y, z = (_starts(size, side, step) for size, side, step in zip(grid, patch, stride, strict=True))
    return list(product(x, y, z))


def _starts(size: int, side: int, step: int) -> list[int]:
    """Starts along one axis."""
    return [*range(0, size - side, step), size - side]


def extract(volume: torch.Tensor, starts: list[Voxel], patch: Voxel) -> torch.Tensor:
    """Patches (N, ..., x, y, z) of a volume (..., X, Y, Z)."""
    px, py, pz = patch
    return torch.stack([volume[..., x : x + px, y : y + py, z : z + pz] for x, y, z in starts])


def merge_patches(patches: torch.Tensor, starts: list[Voxel], grid: Voxel) -> torch.Tensor:
    """Volume (C, X, Y, Z) from patches (N, C, x, y, z): the mean where they overlap, NaN where none is."""
    px, py, pz = patches.shape[-3:]
    total = patches.new_zeros((patches.shape[1], *grid))
    count = patches.new_zeros(grid)
    for patch, (x, y, z) in zip(patches, starts, strict=True):
        total[:, x : x + px, y : y + py, z : z + pz] += patch
        count[x : x + px, y : y + py, z : z + pz] += 1
    return total / count
