"""The convolutions of the network, and faster ways to compute them on a CPU than torch chooses by itself.

A vector holds 16 sums, one a channel that leaves: with 8 channels half of it is idle. So two voxels that
lie next to each other along Z are computed as one voxel of 16 channels, by a kernel of 3 x 3 x 4 that moves
by two voxels: a quarter of it is zeros, but vectors are full. With the channels last in memory, the 16
channels of a pair are the 8 of its first voxel, then the 8 of its second: nothing is copied.

In float32 torch leaves single small images, and on one thread kernels of one voxel, to convolutions of its
own: they take three to fourteen times as long as oneDNN's, and give the channels first, so that what follows
is slower. Without gradients oneDNN can be asked for by name. With them a single image is computed as two, its
halves: two images are not left to torch's own.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.backends import cpu, mkldnn
from torch.nn import functional
from torch.nn.grad import conv3d_weight

from t1t2core.network.plain import is_plain

PAIRED_CHANNELS = 8
"""Channels that leave a convolution, at most, for which pairs of voxels pay; 16 fill a vector."""
STRIDE = (1, 1, 2)
ONES = (1, 1, 1)
SMALL = 20480
"""Channels times the first two sides of a single image, at most, for which torch takes a convolution of its
own: `ConvParams::use_mkldnn` in aten/src/ATen/native/Convolution.cpp of PyTorch."""


class Convolution(nn.Conv3d):
    """Kernel 3 x 3 x 3 that keeps the grid, without a bias."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__(channels_in, channels_out, kernel_size=3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels_in, X, Y, Z) to (B, channels_out, X, Y, Z)."""
        dtype = _type_on_cpu(x)
        if dtype is not None and dtype in _types_for_pairs() and _pays(self.out_channels, x):
            output: Tensor = _Paired.apply(x.to(dtype), self.weight)
            return output
        if dtype == torch.float32 and not torch.is_grad_enabled():
            return _convolve_alone(x, self.weight, ONES)
        return _in_halves(self, x) if _is_left_to_torch(self, x) else super().forward(x)


class ConvolutionOfOne(nn.Conv3d):
    """Any convolution; of a single small image on a CPU by oneDNN."""

    def forward(self, x: Tensor) -> Tensor:
        """As `torch.nn.Conv3d`."""
        if not _is_left_to_torch(self, x):
            return super().forward(x)
        if torch.is_grad_enabled():
            return _in_halves(self, x)
        pads = _sides(self.padding)
        return torch.mkldnn_convolution(x, self.weight, self.bias, pads, self.stride, self.dilation, 1)


def use_onednn(module: nn.Module) -> None:
    """Have the convolutions of a network that is not of ours computed by oneDNN, also of a single image."""
    for part in module.modules():
        if type(part) is nn.Conv3d and part.padding_mode == "zeros" and not isinstance(part.padding, str):
            part.__class__ = ConvolutionOfOne


class Classifier(nn.Conv3d):
    """Kernel 1 x 1 x 1, to the classes' logits."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__(channels, classes, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, X, Y, Z) to (B, classes, X, Y, Z)."""
        if _type_on_cpu(x) != torch.float32:
            return super().forward(x)
        return functional.linear(x.movedim(1, -1), self.weight.flatten(1), self.bias).movedim(-1, 1)


class _Paired(torch.autograd.Function):
    """The same convolution and its gradients, by pairs of voxels."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        """Computes in the type of `x`."""
        ctx.save_for_backward(x, weight)
        return _convolve(x, weight)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """Compute that of `x` with the mirrored kernel, and that of the weight in its own type."""
        x, weight = ctx.saved_tensors
        grad_x = grad_weight = None
        if ctx.needs_input_grad[0]:
            grad_x = _convolve(grad_output, weight.flip(2, 3, 4).transpose(0, 1))
        if ctx.needs_input_grad[1]:
            pair = _pair_voxels(grad_output)
            shape = _pair_kernel(weight).shape
            both = conv3d_weight(x, list(shape), pair, stride=list(STRIDE), padding=[1, 1, 1])
            first, second = both.to(weight.dtype).chunk(2)
            grad_weight = first[..., :3] + second[..., 1:]
        return grad_x, grad_weight


def _type_on_cpu(x: Tensor) -> torch.dtype | None:
    """The type it is computed in; None elsewhere, and where it is to be computed by torch alone."""
    if x.device.type != "cpu" or is_plain():
        return None
    return torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype


def _types_for_pairs() -> tuple[torch.dtype, ...]:
    """float32 only where a vector holds 16 numbers; what computes in bfloat16 itself has such vectors."""
    is_wide = cpu.get_cpu_capability() == "AVX512"
    return (torch.bfloat16, torch.float32) if is_wide else (torch.bfloat16,)


def _is_left_to_torch(layer: nn.Conv3d, x: Tensor) -> bool:
    """Whether torch would compute it itself, and slowly: one small image in float32."""
    return (
        _type_on_cpu(x) == torch.float32
        and mkldnn.is_available()
        and len(x) == 1
        and x.shape[1:4].numel() <= SMALL
        and max(layer.kernel_size) > 1
        and layer.groups == 1
        and layer.dilation == ONES
    )


def _in_halves(layer: nn.Conv3d, x: Tensor) -> Tensor:
    """Convolve one image (1, C, X, Y, Z) as two that share a border; alone where no side can be halved."""
    pads, kernels, strides = _sides(layer.padding), layer.kernel_size, layer.stride
    sizes = zip(x.shape[2:], pads, kernels, strides, strict=True)
    sides = [(side + 2 * pad - kernel) // stride + 1 for side, pad, kernel, stride in sizes]
    axis = next((axis for axis, side in enumerate(sides) if side % 2 == 0), None)
    if axis is None:
        return functional.conv3d(x, layer.weight, layer.bias, strides, pads)
    half = sides[axis] // 2
    length = (half - 1) * strides[axis] + kernels[axis]
    around = [pad if at == axis else 0 for at, pad in enumerate(pads) for _ in range(2)]
    padded = functional.pad(x, around[::-1])
    halves = [padded.narrow(axis + 2, start, length) for start in (0, half * strides[axis])]
    pads = [0 if at == axis else pad for at, pad in enumerate(pads)]
    both = functional.conv3d(torch.cat(halves), layer.weight, layer.bias, strides, pads)
    return torch.cat([both[:1], both[1:]], dim=axis + 2)


def _sides(padding: str | tuple[int, ...]) -> list[int]:
    """Return the padding of each side; `use_onednn` leaves alone what names it."""
    assert not isinstance(padding, str)
    return list(padding)


def _convolve_alone(x: Tensor, kernel: Tensor, stride: tuple[int, int, int]) -> Tensor:
    """Convolve without gradients; by oneDNN where torch would take its own, as with one small image."""
    if x.dtype == torch.float32 and mkldnn.is_available():
        return torch.mkldnn_convolution(x, kernel, None, ONES, stride, ONES, 1)
    return functional.conv3d(x, kernel, stride=stride, padding=1)


def _pays(channels: int, x: Tensor) -> bool:
    """Return whether pairs are faster for so many channels that leave."""
    return channels <= PAIRED_CHANNELS and x.shape[1] >= PAIRED_CHANNELS and x.shape[-1] % 2 == 0


def _convolve(x: Tensor, weight: Tensor) -> Tensor:
    if not _pays(len(weight), x):
        return _convolve_alone(x, weight.to(x.dtype), ONES)
    kernel = _pair_kernel(weight).to(x.dtype, memory_format=torch.channels_last_3d)
    pairs = _convolve_alone(x, kernel, STRIDE)
    return pairs.movedim(1, -1).unflatten(-1, (2, -1)).flatten(-3, -2).movedim(-1, 1)


def _pair_voxels(x: Tensor) -> Tensor:
    """(B, C, X, Y, Z) as (B, 2 C, X, Y, Z / 2)."""
    return x.movedim(1, -1).unflatten(-2, (-1, 2)).flatten(-2).movedim(-1, 1)


def _pair_kernel(weight: Tensor) -> Tensor:
    """(C, I, 3, 3, 3) as (2 C, I, 3, 3, 4): for the first voxel of a pair, then for the second."""
    return torch.cat([functional.pad(weight, (0, 1)), functional.pad(weight, (1, 0))])
