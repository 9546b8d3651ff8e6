"""The 3 x 3 x 3 convolution of the network, and a faster way to compute it on a CPU where channels are few.

A vector holds 16 sums, one a channel that leaves: with 8 channels half of it is idle. So two voxels that
lie next to each other along Z are computed as one voxel of 16 channels, by a kernel of 3 x 3 x 4 that moves
by two voxels: a quarter of it is zeros, but vectors are full. With the channels last in memory, the 16
channels of a pair are the 8 of its first voxel, then the 8 of its second: nothing is copied.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.grad import conv3d_weight

PAIRED_CHANNELS = 8
"""Channels that leave a convolution, at most, for which pairs of voxels pay; 16 fill a vector."""
STRIDE = (1, 1, 2)


class Convolution(nn.Conv3d):
    """Kernel 3 x 3 x 3 that keeps the grid, without a bias."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__(channels_in, channels_out, kernel_size=3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels_in, X, Y, Z) to (B, channels_out, X, Y, Z)."""
        dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
        if x.device.type == "cpu" and dtype == torch.bfloat16 and _pays(self.out_channels, x):
            output: Tensor = _Paired.apply(x.to(dtype), self.weight)
            return output
        return super().forward(x)


class _Paired(torch.autograd.Function):
    """The same convolution and its gradients, by pairs of voxels."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        """Computes in the type of `x`."""
        ctx.save_for_backward(x, weight)
        return _convolve(x, weight)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """Of `x` by the convolution with the mirrored kernel; of the weight in the weight's own type."""
        x, weight = ctx.saved_tensors
        of_x = of_weight = None
        if ctx.needs_input_grad[0]:
            of_x = _convolve(gradient, weight.flip(2, 3, 4).transpose(0, 1))
        if ctx.needs_input_grad[1]:
            pair = _pair_voxels(gradient)
            shape = _pair_kernel(weight).shape
            both = conv3d_weight(x, list(shape), pair, stride=list(STRIDE), padding=[1, 1, 1])
            first, second = both.to(weight.dtype).chunk(2)
            of_weight = first[..., :3] + second[..., 1:]
        return of_x, of_weight


def _pays(channels: int, x: Tensor) -> bool:
    """Whether pairs are faster for so many channels that leave."""
    return channels <= PAIRED_CHANNELS and x.shape[1] >= PAIRED_CHANNELS and x.shape[-1] % 2 == 0


def _convolve(x: Tensor, weight: Tensor) -> Tensor:
    if not _pays(len(weight), x):
        return functional.conv3d(x, weight.to(x.dtype), padding=1)
    kernel = _pair_kernel(weight).to(x.dtype, memory_format=torch.channels_last_3d)
    pairs = functional.conv3d(x, kernel, stride=STRIDE, padding=1)
    return pairs.movedim(1, -1).unflatten(-1, (2, -1)).flatten(-3, -2).movedim(-1, 1)


def _pair_voxels(x: Tensor) -> Tensor:
    """(B, C, X, Y, Z) as (B, 2 C, X, Y, Z / 2)."""
    return x.movedim(1, -1).unflatten(-2, (-1, 2)).flatten(-2).movedim(-1, 1)


def _pair_kernel(weight: Tensor) -> Tensor:
    """(C, I, 3, 3, 3) as (2 C, I, 3, 3, 4): for the first voxel of a pair, then for the second."""
    return torch.cat([functional.pad(weight, (0, 1)), functional.pad(weight, (1, 0))])
