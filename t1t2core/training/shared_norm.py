"""Batch norm over the patches of all processes that train a network together.

Each process has a part of a step's patches. Statistics of that part alone would make another network of
each number of processes.
"""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

PLACES = (0, 2, 3, 4)
"""Dimensions of (B, C, X, Y, Z) that statistics go over."""


class GpuNorm(nn.SyncBatchNorm, nn.BatchNorm3d):
    """torch's own, known as what it takes the place of."""


class CpuNorm(nn.BatchNorm3d):
    """The same where torch's does not work: on a CPU."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, X, Y, Z), of which B may be 0; in evaluation mode by the stored statistics."""
        if not self.training:
            return super().forward(x)
        assert self.momentum is not None
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        y, mean, variance, count = _Normalise.apply(x, self.weight, self.bias, self.eps)
        self.num_batches_tracked.add_(1)
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * (count / (count - 1).clamp(min=1)), self.momentum)
        return y


class _Normalise(torch.autograd.Function):
    """Gives the normalised values, and mean, variance and number of places over all processes.

    The backward pass is that of Ioffe & Szegedy, ICML 2015, Sec. 3, its sums over all processes.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        values = x.float()
        count = values.new_tensor(x.numel() / x.shape[1] if len(x) else 0.0)
        sums = torch.cat([values.sum(PLACES), count[None]])
        dist.all_reduce(sums)
        mean, count = sums[:-1] / sums[-1], sums[-1]
        variance = (values - _wide(mean)).square().sum(PLACES)
        dist.all_reduce(variance)
        variance /= count
        scale = (variance + eps).rsqrt()
        ctx.save_for_backward(x, weight, mean, scale, count)
        ctx.mark_non_differentiable(mean, variance, count)
        y = (values - _wide(mean)) * _wide(scale * weight) + _wide(bias)
        return y.to(x.dtype), mean, variance, count

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor, *_: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        x, weight, mean, scale, count = ctx.saved_tensors
        grad_output = grad_output.float()
        normal = (x.float() - _wide(mean)) * _wide(scale)
        grad_bias, grad_weight = grad_output.sum(PLACES), (grad_output * normal).sum(PLACES)
        sums = torch.stack([grad_bias, grad_weight])
        dist.all_reduce(sums)
        means = sums / count
        grad_x = (grad_output - _wide(means[0]) - normal * _wide(means[1])) * _wide(scale * weight)
        return grad_x.to(x.dtype), grad_weight, grad_bias, None


def share_norms(network: nn.Module, device: str) -> None:
    """Lets every batch norm of the network take its statistics from all processes in training mode.

    Parameters, buffers and their names stay.
    """
    for parent in list(network.modules()):
        for name, norm in list(parent.named_children()):
            if isinstance(norm, nn.BatchNorm3d):
                setattr(parent, name, _shared(norm, GpuNorm if device == "cuda" else CpuNorm))


def _shared(norm: nn.BatchNorm3d, kind: type[nn.BatchNorm3d]) -> nn.BatchNorm3d:
    shared = kind(norm.num_features, norm.eps, norm.momentum)
    shared.weight, shared.bias = norm.weight, norm.bias
    shared.running_mean, shared.running_var = norm.running_mean, norm.running_var
    shared.num_batches_tracked = norm.num_batches_tracked
    return shared.train(norm.training)


def _wide(a_channel: Tensor) -> Tensor:
    """(C,) as (1, C, 1, 1, 1)."""
    return a_channel[None, :, None, None, None]
