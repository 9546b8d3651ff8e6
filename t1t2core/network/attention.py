"""Squeeze-and-excitation attention after every three convolutions (Sec. 3.3; Roy et al., MICCAI 2018).

Voxels are the rows of a matrix here, channels its columns. On a CPU, with few channels and the channels last
in memory, products of matrices take a third of the time that the same products take by broadcasting. On a GPU
such thin products leave nearly all of it idle: there they are sums over an axis, and broadcast.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from t1t2core.network import kernels
from t1t2core.settings import NetworkSettings


class ChannelExcitation(nn.Module):
    """cSE: squeeze over space, excite the channels.

    Weighs channel k by sigmoid(W2 relu(W1 mean_xyz))_k.
    """

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        hidden = max(1, channels // reduction)
        self.squeeze = nn.Linear(channels, hidden)
        self.excite = nn.Linear(hidden, channels)

    def forward(self, means: Tensor) -> Tensor:
        """Weights of the channels, (B, 1, C), from their means over space, (B, 1, C)."""
        weights: Tensor = self.excite(self.squeeze(means).relu()).sigmoid()
        return weights


class SpatialExcitation(nn.Module):
    """sSE: squeeze over channels, excite the voxels.

    Weighs voxel v by sigmoid(w . x_v + b).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv3d(channels, 1, kernel_size=1)

    def forward(self, voxels: Tensor, channels: Tensor | None = None) -> Tensor:
        """Weights of the voxels, (B, N, 1), from their values, (B, N, C).

        Args:
            channels: weights (B, 1, C) that the values are to be multiplied with first.
        """
        kernel = self.squeeze.weight.view(1, 1, -1)
        kernel = kernel.expand(len(voxels), -1, -1) if channels is None else kernel * channels
        assert self.squeeze.bias is not None
        return (_dot(voxels, kernel) + self.squeeze.bias).sigmoid()


class Attention(nn.Module):
    """The excitations that `NetworkSettings.attention` names, both combined as its `attention_order` says."""

    def __init__(self, channels: int, settings: NetworkSettings) -> None:
        super().__init__()
        kind = settings.attention
        # A single excitation is an order of its own.
        self.order = settings.attention_order if kind == "channel_spatial" else kind
        if kind in ("channel_spatial", "channel"):
            self.channel = ChannelExcitation(channels, settings.attention_reduction)
        if kind in ("channel_spatial", "spatial"):
            self.spatial = SpatialExcitation(channels)

    def extra_repr(self) -> str:
        """Return what the parts do not tell."""
        return f"order={self.order}"

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, X, Y, Z) to the same shape."""
        if self.order == "none":
            return x
        if self.order == "channel_spatial" and kernels.suits(x):
            parts = self.channel.squeeze, self.channel.excite, self.spatial.squeeze
            tensors = (tensor for part in parts for tensor in (part.weight, part.bias))
            weighed: Tensor = _ChannelSpatial.apply(x, *tensors)
            return weighed
        voxels = x.movedim(1, -1).flatten(1, -2)
        return self._weigh(voxels).unflatten(1, x.shape[2:]).movedim(-1, 1)

    def _weigh(self, voxels: Tensor) -> Tensor:
        """(B, N, C) to the same shape."""
        if self.order == "spatial":
            return voxels * self.spatial(voxels)
        if self.order == "spatial_channel":
            rows = self.spatial(voxels)
            return voxels * _outer(rows, self.channel(_mean(voxels, rows)))
        columns = self.channel(_mean(voxels))
        if self.order == "channel":
            return voxels * columns
        if self.order == "channel_spatial":
            return voxels * _outer(self.spatial(voxels, columns), columns)
        rows = self.spatial(voxels)
        if self.order == "concurrent_max":
            return (voxels * columns).maximum(voxels * rows)
        return voxels * (columns + rows)


class _ChannelSpatial(torch.autograd.Function):
    """The default order in three passes over memory forwards and three backwards, on a CPU."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, *parameters: Tensor) -> Tensor:
        """Takes weights and biases of squeeze, excite and the voxels' squeeze."""
        rows, y = kernels.rows(x), torch.empty_like(x)
        channel_gates = x.new_empty(x.shape[:2], dtype=torch.float32)
        voxel_gates = x.new_empty((*rows.shape[:2], kernels.WIDTH // x.shape[1]), dtype=torch.float32)
        kernels.attend(
            rows,
            *_arrays(parameters),
            kernels.numbers(channel_gates),
            kernels.numbers(voxel_gates),
            kernels.rows(y),
        )
        ctx.save_for_backward(x, channel_gates, voxel_gates, *parameters)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, ...]:
        x, channel_gates, voxel_gates, *parameters = ctx.saved_tensors
        grad_x, grad_parameters = torch.empty_like(x), [torch.zeros_like(each) for each in parameters]
        kernels.attend_backward(
            kernels.rows(x),
            kernels.rows(grad_output),
            *_arrays(parameters),
            kernels.numbers(channel_gates),
            kernels.numbers(voxel_gates),
            kernels.rows(grad_x),
            *_arrays(grad_parameters),
        )
        return grad_x, *grad_parameters


def _arrays(parameters: Sequence[Tensor]) -> list[np.ndarray]:
    """View each as an array; of the voxels' kernel, (1, C, 1, 1, 1), the channels alone."""
    return [kernels.numbers(each.flatten() if each.dim() > 2 else each) for each in parameters]


def sums_up(x: Tensor) -> bool:
    """Return whether products with a single row or column are sums here, and not products of matrices."""
    return x.device.type != "cpu"


def _mean(voxels: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean over space, (B, 1, C), of values (B, N, C) that are multiplied with weights (B, N, 1), if any."""
    if sums_up(voxels):
        weighed = voxels if weights is None else voxels * weights.to(voxels.dtype)
        return weighed.mean(dim=1, keepdim=True)
    weights = torch.ones_like(voxels[:, :, :1]) if weights is None else weights
    return torch.bmm(weights.mT, voxels) / voxels.shape[1]


def _dot(voxels: Tensor, kernel: Tensor) -> Tensor:
    """Sum over channels, (B, N, 1), of values (B, N, C) that are multiplied with a kernel (B, 1, C)."""
    if sums_up(voxels):
        return (voxels * kernel.to(voxels.dtype)).sum(dim=2, keepdim=True)
    return torch.bmm(voxels, kernel.mT)


def _outer(rows: Tensor, columns: Tensor) -> Tensor:
    """Products (B, N, C) of weights of the voxels (B, N, 1) and of the channels (B, 1, C)."""
    # In the columns' type, that of the network, as autocast gives the product of matrices.
    return rows.to(columns.dtype) * columns if sums_up(rows) else torch.bmm(rows, columns)
