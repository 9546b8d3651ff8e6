"""Normalisation and the ReLU after it; batch norm on a CPU in three passes forwards and two backwards."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from t1t2core.network import kernels


def rectified(norm: nn.Module, x: Tensor) -> Tensor:
    """ReLU of what batch norm, or another normalisation, makes of x, (B, C, X, Y, Z) both.

    Values, gradients and stored statistics are those of `norm`, but for rounding.
    """
    # A team has batch norms of another type, whose statistics come from all its processes.
    if type(norm) is nn.BatchNorm3d and kernels.suits(x):
        if norm.training:
            return _by_own_statistics(norm, x)
        if not torch.is_grad_enabled():
            return _by_stored_statistics(norm, x)
    return functional.relu(norm(x), inplace=True)


def _by_own_statistics(norm: nn.BatchNorm3d, x: Tensor) -> Tensor:
    y, mean, variance = _Rectified.apply(x, norm.weight, norm.bias, norm.eps)
    assert norm.num_batches_tracked is not None
    assert norm.running_mean is not None
    assert norm.running_var is not None
    norm.num_batches_tracked.add_(1)
    share = 1 / float(norm.num_batches_tracked) if norm.momentum is None else norm.momentum
    count = x.numel() // x.shape[1]
    norm.running_mean.lerp_(mean, share)
    norm.running_var.lerp_(variance * (count / (count - 1)), share)
    return y


def _by_stored_statistics(norm: nn.BatchNorm3d, x: Tensor) -> Tensor:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    slope, shift = kernels.line(
        *map(kernels.numbers, (norm.weight, norm.bias, norm.running_mean, norm.running_var)), norm.eps
    )
    y = torch.empty_like(x)
    kernels.rectify_line(kernels.rows(x), slope, shift, kernels.rows(y))
    return y


class _Rectified(torch.autograd.Function):
    """Gives the values, and mean and variance of what entered."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, epsilon: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        y, mean, variance = torch.empty_like(x), torch.empty_like(weight), torch.empty_like(weight)
        channels = map(kernels.numbers, (weight, bias, mean, variance))
        kernels.normalise(kernels.rows(x), *channels, epsilon, kernels.rows(y))
        ctx.save_for_backward(x, weight, bias, mean, variance)
        ctx.epsilon = epsilon
        ctx.mark_non_differentiable(mean, variance)
        return y, mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor, *_: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        x, *channels = ctx.saved_tensors
        grad_x, grad_weight, grad_bias = torch.empty_like(x), *map(torch.empty_like, channels[:2])
        kernels.normalise_backward(
            kernels.rows(x),
            kernels.rows(grad_output),
            *map(kernels.numbers, channels),
            ctx.epsilon,
            kernels.rows(grad_x),
            kernels.numbers(grad_weight),
            kernels.numbers(grad_bias),
        )
        return grad_x, grad_weight, grad_bias, None
