"""Max-pooling that remembers where the maxima were, and unpooling that puts values back there.

A place is one of the 8 voxels of its 2 x 2 x 2 window, uint8: an eighth of the memory of torch's indices.
"""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from t1t2core.network import kernels


def max_pool(x: Tensor) -> tuple[Tensor, Tensor]:
    """(B, C, X, Y, Z) halved, and the place of each maximum in its window, 4 i + 2 j + k, uint8."""
    if kernels.suits(x):
        values, places = _Pool.apply(x)
        return values, places
    values, index = functional.max_pool3d(x, 2, return_indices=True)
    return values, _places(index)


def max_unpool(x: Tensor, places: Tensor) -> Tensor:
    """(B, C, X, Y, Z) doubled: each value at its place, 0 elsewhere; with the channels last in memory."""
    if kernels.suits(x):
        doubled: Tensor = _Unpool.apply(x, places)
        return doubled
    sides = [2 * side for side in x.shape[2:]]
    # torch's function for it checks sizes, by which it cannot be traced.
    doubled = torch.ops.aten.max_unpool3d(x, _index(places), sides, [2, 2, 2], [0, 0, 0])
    # It comes with the channels first: convolution and gradient would each move them.
    return doubled.contiguous(memory_format=torch.channels_last_3d)


class _Pool(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        values = _like(x, [side // 2 for side in x.shape[2:]])
        places = torch.empty_like(values, dtype=torch.uint8)
        kernels.pool(_last(x), _last(values), _last(places))
        ctx.save_for_backward(places)
        ctx.mark_non_differentiable(places)
        return values, places

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor, _: Tensor) -> Tensor:
        (places,) = ctx.saved_tensors
        return _unpooled(grad_output, places)


class _Unpool(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, places: Tensor) -> Tensor:
        ctx.save_for_backward(places)
        return _unpooled(x, places)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, None]:
        (places,) = ctx.saved_tensors
        grad_x = _like(grad_output, [side // 2 for side in grad_output.shape[2:]])
        assert grad_x.shape == places.shape
        kernels.take(_last(grad_output), _last(places), _last(grad_x))
        return grad_x, None


def _unpooled(x: Tensor, places: Tensor) -> Tensor:
    assert x.shape == places.shape
    doubled = _like(x, [2 * side for side in x.shape[2:]])
    kernels.unpool(_last(x), _last(places), _last(doubled))
    return doubled


def _like(x: Tensor, grid: list[int]) -> Tensor:
    """Make a tensor of the same type and channels, which are last in memory, on another grid."""
    return torch.empty((*x.shape[:2], *grid), dtype=x.dtype, memory_format=torch.channels_last_3d)


def _last(x: Tensor) -> np.ndarray:
    """View as an array (B, X, Y, Z, C), without a copy if the channels are last in memory."""
    return kernels.numbers(x.movedim(1, -1).contiguous())


def _places(index: Tensor) -> Tensor:
    """Turn torch's flat indices in the doubled grid into places."""
    grid = _doubled(index)
    rest = index - grid[::2, ::2, ::2]
    i = rest >= grid[1, 0, 0]
    rest = torch.where(i, rest - grid[1, 0, 0], rest)
    j = rest >= grid[0, 1, 0]
    k = rest & 1  # a row is even
    return (4 * i + 2 * j + k).to(torch.uint8, memory_format=torch.channels_last_3d)


def _index(places: Tensor) -> Tensor:
    """Turn places into torch's indices again, int64."""
    grid = _doubled(places)
    window = grid[:2, :2, :2].flatten()
    return grid[::2, ::2, ::2] + window[places.long()]


def _doubled(x: Tensor) -> Tensor:
    """The flat indices of the grid that is pooled to that of `x`."""
    sides = [2 * side for side in x.shape[2:]]
    return torch.arange(math.prod(sides), device=x.device).view(sides)
