"""Batch norm, and a faster way to compute it on a CPU in bfloat16 where channels are few.

A vector holds 32 such numbers, and torch takes the channels of one voxel at a time: 8 fill a quarter of it.
With the channels last in memory, many voxels make a long row without a copy. Each column is then a channel
of every 32nd voxel, and what holds for a channel follows from its columns.
"""

from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

FEW_CHANNELS = 8
"""At most so many; with 16 nothing is gained."""
MANY_NUMBERS = 1 << 18
"""Of fewer, what is done with columns takes longer than is saved."""
VOXELS = 32
"""That make a row."""


class BatchNorm(nn.BatchNorm3d):
    """Over batch and space, with torch's parameters, statistics and results."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, X, Y, Z) to the same shape; in evaluation mode by the stored statistics."""
        if not _pays(x):
            return super().forward(x)
        assert self.running_mean is not None
        assert self.running_var is not None
        if not self.training:
            statistics = _columns(self.running_mean), _columns(self.running_var)
            weight, bias = _columns(self.weight), _columns(self.bias)
            return _volume(functional.batch_norm(_rows(x), *statistics, weight, bias, eps=self.eps), x)
        y, mean, variance = _Normalise.apply(x, self.weight, self.bias, self.eps)
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        count = x.numel() // x.shape[1]
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance * (count / (count - 1)), share)
        return y


class _Normalise(torch.autograd.Function):
    """Gives the normalised values, mean and variance (Ioffe & Szegedy, ICML 2015, Sec. 3)."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        rows = _rows(x)
        unused = weight.new_empty(rows.shape[1])
        # Given float32 statistics to update it gives its own in float32.
        means, variances = torch.batch_norm_update_stats(rows, unused, unused, 1.0)
        between, mean = torch.var_mean(means.view(VOXELS, -1), 0, correction=0)
        variance = variances.view(VOXELS, -1).mean(0).add_(between)
        scale = (variance + eps).rsqrt()
        ctx.save_for_backward(x, weight, mean, scale)
        ctx.mark_non_differentiable(mean, variance)
        slope = weight * scale
        # What is changed in place afterwards, as by ReLU, must not be a view.
        y = torch.empty_like(x)
        _line(rows, slope, torch.addcmul(bias, slope, mean, value=-1), out=_rows(y))
        return y, mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, pull: Tensor, *_: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        x, weight, mean, scale = ctx.saved_tensors
        rows, pulls = _rows(x), _rows(pull)
        statistics = _columns(mean), _columns(scale)
        sums = torch.ops.aten.native_batch_norm_backward(
            pulls, rows, None, None, None, *statistics, True, 0.0, [False, True, True]
        )
        of_weight, of_bias = (each.view(VOXELS, -1).sum(0) for each in sums[1:])
        # weight scale (pull - of_bias / n - normal of_weight / n), the last two as a line in x
        slope = weight * scale
        each = slope * (-x.shape[1] / x.numel())
        of_normal = each * scale * of_weight
        shift = (each * of_bias).addcmul_(of_normal, mean, value=-1)
        of_x, line = torch.empty_like(x), torch.empty_like(rows)
        _line(rows, of_normal, shift, out=line)
        _line(pulls, slope, None, out=_rows(of_x)).add_(line)
        return of_x, of_weight, of_bias, None


def _pays(x: Tensor) -> bool:
    """Whether this is the faster way, and x (B, C, X, Y, Z) makes rows without a copy."""
    is_suited = x.device.type == "cpu" and x.dtype == torch.bfloat16
    is_much = x.shape[1] <= FEW_CHANNELS and x.numel() >= MANY_NUMBERS
    has_rows = x.numel() % (VOXELS * x.shape[1]) == 0
    return is_suited and is_much and has_rows and x.is_contiguous(memory_format=torch.channels_last_3d)


def _line(rows: Tensor, slope: Tensor, shift: Tensor | None, *, out: Tensor) -> Tensor:
    """Times a number a channel plus one, in float32: batch norm where mean is 0 and variance 1."""
    zero, one, unused = _constants(rows.shape[1])
    shifts = zero if shift is None else _columns(shift)
    torch.native_batch_norm(
        rows, _columns(slope), shifts, zero, one, False, 0.0, 0.0, out=(out, unused, unused)
    )
    return out


@cache
def _constants(columns: int) -> tuple[Tensor, Tensor, Tensor]:
    return torch.zeros(columns), torch.ones(columns), torch.empty(0)


def _rows(x: Tensor) -> Tensor:
    """(B, C, X, Y, Z) as (rows, `VOXELS` times C)."""
    return x.movedim(1, -1).reshape(-1, VOXELS * x.shape[1])


def _volume(rows: Tensor, like: Tensor) -> Tensor:
    """Rows as a volume again, in the shape of another."""
    return rows.view(like.movedim(1, -1).shape).movedim(-1, 1)


def _columns(a_channel: Tensor) -> Tensor:
    """(C,) for each voxel of a row."""
    return a_channel.repeat(VOXELS)
