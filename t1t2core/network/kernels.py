"""What lies between the convolutions, on a CPU: each step of it in one to three passes over memory.

torch makes a pass of its own for every operation, and with few channels a pass takes as long as a
convolution. These loops are compiled by Numba at their first use and kept on disk
(https://numba.readthedocs.io, "Notes on Caching": it looks for changes in this file alone, so that all of
them stand here). They compute in float32 and read and write float32 or bfloat16, which NumPy lacks: its bits
are the upper half of a float32's.

Volumes lie with the channels last. A row is `WIDTH` numbers that follow one another, the channels of some
voxels; what holds for a channel is spread over a row, so that every loop over a row fills whole vectors.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic
from torch import Tensor

from t1t2core.network.kernel_cache import kept_on_this_machine
from t1t2core.network.plain import is_plain

WIDTH = 256
"""Numbers that make a row."""
FEWEST_NUMBERS, FEWEST_LOGITS = 1 << 13, 1 << 16
"""Of fewer, torch's own operations are as fast, or not worth the compilation."""
FEWEST_CHANNELS = 8
MOST_THREADS = 2
"""These loops take one; with more than this torch's operations, which take all, are faster."""
BLOCK = 1024
"""Rows, or voxels of three classes, that are summed up in float32 before their sums are added in float64."""
PLACES = 8
"""Voxels of a 2 x 2 x 2 window."""
CLASSES = 3
BITS, HALF = ir.IntType(32), 16
"""A float32's, and how many of them are a bfloat16's."""


def kernel(function: Callable[..., Any]) -> Any:
    """Compiles a function for the types that it is called with.

    Sums may be reordered, which vectors need; NaN and infinity count as they should.
    """
    options: dict[str, Any] = {"fastmath": {"reassoc", "contract", "nsz"}, "error_model": "numpy"}
    try:
        with kept_on_this_machine():
            return njit(cache=True, **options)(function)
    except RuntimeError:  # no folder that can be written: then each process compiles for itself
        return njit(**options)(function)


def instructions(function: Callable[..., Any]) -> Any:
    """Return what takes the place of a call in a compiled loop."""
    return intrinsic(function)


def suits(x: Tensor) -> bool:
    """Return whether a volume (B, C, X, Y, Z) makes rows without a copy, and is worth it."""
    return (
        _is_at_home(x)
        and x.numel() >= FEWEST_NUMBERS
        and x.shape[1] >= FEWEST_CHANNELS
        and WIDTH % x.shape[1] == 0
        and x[0].numel() % WIDTH == 0
        and x.is_contiguous(memory_format=torch.channels_last_3d)
    )


def suits_classes(logits: Tensor) -> bool:
    """Return whether logits (B, 3, X, Y, Z) can be taken as they lie, and are worth it."""
    return (
        _is_at_home(logits)
        and logits.numel() >= FEWEST_LOGITS
        and logits.shape[1] == CLASSES
        and logits.is_contiguous(memory_format=torch.channels_last_3d)
    )


def _is_at_home(x: Tensor) -> bool:
    """Return whether it lies where these loops run, in a type that they know."""
    return (
        x.device.type == "cpu"
        and not is_plain()
        and x.dtype in (torch.float32, torch.bfloat16)
        and torch.get_num_threads() <= MOST_THREADS
    )


def rows(x: Tensor) -> np.ndarray:
    """A volume (B, C, X, Y, Z) as (B, rows, `WIDTH`), without a copy if it suits."""
    return numbers(x.movedim(1, -1).reshape(len(x), -1, WIDTH))


def numbers(x: Tensor) -> np.ndarray:
    """A tensor as an array, without a copy; of bfloat16 the bits, uint16."""
    x = x.detach()
    return (x.view(torch.uint16) if x.dtype == torch.bfloat16 else x).numpy()


@kernel
def normalise(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray,
    mean: np.ndarray,
    variance: np.ndarray,
    epsilon: float,
    y: np.ndarray,
) -> None:
    """Batch norm in training mode, then ReLU (Ioffe & Szegedy, ICML 2015, Alg. 1).

    Args:
        x: (B, R, W).
        weight: (C,), as is `bias`.
        mean: (C,), is written, as is `variance`.
        y: like `x`, is written.
    """
    channels = len(weight)
    count = x.size / channels
    mean[:] = _to_channels(_column_sums(x), channels) / count
    squares = _column_squares(x, _to_columns(mean))
    variance[:] = _to_channels(squares, channels) / count
    slope, shift = line(weight, bias, mean, variance, epsilon)
    rectify_line(x, slope, shift, y)


@kernel
def normalise_backward(
    x: np.ndarray,
    grad_output: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray,
    mean: np.ndarray,
    variance: np.ndarray,
    epsilon: float,
    grad_x: np.ndarray,
    grad_weight: np.ndarray,
    grad_bias: np.ndarray,
) -> None:
    """Gradients of `normalise`, whose arguments it takes; the last three are written.

    Args:
        grad_output: gradient of what `normalise` gave, like `x`.
    """
    channels = len(weight)
    slope, shift = line(weight, bias, mean, variance, epsilon)
    slopes, shifts = _to_columns(slope), _to_columns(shift)
    grad_sums, products = _sum_gradients(x, grad_output, slopes, shifts, _to_columns(mean))
    scale = np.float32(1) / np.sqrt(variance + np.float32(epsilon))
    grad_bias[:] = _to_channels(grad_sums, channels)
    grad_weight[:] = _to_channels(products, channels) * scale
    # weight scale (grad_output - grad_bias / n - normal grad_weight / n), the last two as a line in x
    count = x.size / channels
    grad_normal = -slope * scale * grad_weight / count
    constant = -slope * grad_bias / count - grad_normal * mean
    grad_normals = _to_columns(grad_normal.astype(np.float32))
    constants = _to_columns(constant.astype(np.float32))
    for b in range(len(x)):
        for r in range(x.shape[1]):
            for j in range(x.shape[2]):
                value = _read(x[b, r, j])
                passed = _passed(value * slopes[j] + shifts[j], _read(grad_output[b, r, j]))
                grad_x[b, r, j] = _as(grad_x, passed * slopes[j] + value * grad_normals[j] + constants[j])


@kernel
def line(
    weight: np.ndarray, bias: np.ndarray, mean: np.ndarray, variance: np.ndarray, epsilon: float
) -> tuple[np.ndarray, np.ndarray]:
    """Batch norm by these statistics as a slope and a shift a channel, (C,) all."""
    slope = weight / np.sqrt(variance + np.float32(epsilon))
    return slope, bias - slope * mean


@kernel
def rectify_line(x: np.ndarray, slope: np.ndarray, shift: np.ndarray, y: np.ndarray) -> None:
    """Writes to `y` the ReLU of a line in each number of `x`, (B, R, W); NaN stays."""
    slopes, shifts = _to_columns(slope), _to_columns(shift)
    for b in range(len(x)):
        for r in range(x.shape[1]):
            for j in range(x.shape[2]):
                value = _read(x[b, r, j]) * slopes[j] + shifts[j]
                y[b, r, j] = _as(y, np.float32(0) if value < np.float32(0) else value)


@kernel
def _sum_gradients(
    x: np.ndarray, grad_output: np.ndarray, slopes: np.ndarray, shifts: np.ndarray, means: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Sum by column what ReLU lets through of `grad_output`, and that times x less its mean."""
    grad_sums, products = np.zeros(x.shape[2]), np.zeros(x.shape[2])
    for b in range(len(x)):
        for start in range(0, x.shape[1], BLOCK):
            some_grads = np.zeros(x.shape[2], np.float32)
            some_products = np.zeros(x.shape[2], np.float32)
            for r in range(start, min(start + BLOCK, x.shape[1])):
                for j in range(x.shape[2]):
                    value = _read(x[b, r, j])
                    passed = _passed(value * slopes[j] + shifts[j], _read(grad_output[b, r, j]))
                    some_grads[j] += passed
                    some_products[j] += passed * (value - means[j])
            grad_sums += some_grads
            products += some_products
    return grad_sums, products


@kernel
def attend(
    x: np.ndarray,
    squeeze: np.ndarray,
    squeeze_bias: np.ndarray,
    excite: np.ndarray,
    excite_bias: np.ndarray,
    spatial: np.ndarray,
    spatial_bias: np.ndarray,
    channel_gates: np.ndarray,
    voxel_gates: np.ndarray,
    y: np.ndarray,
) -> None:
    """Channel excitation, then spatial excitation: see `t1t2core.network.attention`.

    Args:
        x: (B, R, W).
        squeeze: (hidden, C), its bias (hidden,).
        excite: (C, hidden), its bias (C,).
        spatial: (C,), its bias (1,).
        channel_gates: (B, C), is written.
        voxel_gates: (B, R, voxels of a row), is written.
        y: like `x`, is written.
    """
    for b in range(len(x)):
        hidden = np.maximum(_affine(squeeze, _means(x, b, excite.shape[0]), squeeze_bias), np.float32(0))
        gates = channel_gates[b]
        gates[:] = _sigmoids(_affine(excite, hidden, excite_bias))
        _write_voxel_gates(x[b], _to_columns(gates * spatial), spatial_bias[0], voxel_gates[b])
        columns, spread = _to_columns(gates), np.empty(x.shape[2], np.float32)
        for r in range(x.shape[1]):
            _spread(voxel_gates[b, r], spread)
            for j in range(x.shape[2]):
                y[b, r, j] = _as(y, _read(x[b, r, j]) * columns[j] * spread[j])


@kernel
def attend_backward(
    x: np.ndarray,
    grad_output: np.ndarray,
    squeeze: np.ndarray,
    squeeze_bias: np.ndarray,
    excite: np.ndarray,
    excite_bias: np.ndarray,
    spatial: np.ndarray,
    spatial_bias: np.ndarray,
    channel_gates: np.ndarray,
    voxel_gates: np.ndarray,
    grad_x: np.ndarray,
    grad_squeeze: np.ndarray,
    grad_squeeze_bias: np.ndarray,
    grad_excite: np.ndarray,
    grad_excite_bias: np.ndarray,
    grad_spatial: np.ndarray,
    grad_spatial_bias: np.ndarray,
) -> None:
    """Gradients of `attend`, whose arguments it takes.

    Args:
        grad_output: gradient of what `attend` gave, like `x`.
        grad_x: is written; those after it are zeros that are added to.
    """
    channels = excite.shape[0]
    spread, products = np.empty(x.shape[2], np.float32), np.empty(x.shape[2], np.float32)
    for b in range(len(x)):
        gates = channel_gates[b]
        scores, grad_kernel, grad_gates = _voxel_gradients(x[b], grad_output[b], gates, voxel_gates[b])
        grad_spatial += grad_kernel * gates
        grad_spatial_bias += scores.sum()
        grad_gates += grad_kernel * spatial
        # Back through the gates of the channels to their means.
        means = _means(x, b, channels)
        before = _affine(squeeze, means, squeeze_bias)
        hidden = np.maximum(before, np.float32(0))
        grad_second = grad_gates * gates * (np.float32(1) - gates)
        grad_first = np.zeros(len(hidden), np.float32)
        grad_means = np.zeros(channels, np.float32)
        for h in range(len(hidden)):
            for c in range(channels):
                grad_excite[c, h] += grad_second[c] * hidden[h]
                grad_first[h] += grad_second[c] * excite[c, h]
            grad_first[h] = grad_first[h] if before[h] > 0 else np.float32(0)
            for c in range(channels):
                grad_squeeze[h, c] += grad_first[h] * means[c]
                grad_means[c] += grad_first[h] * squeeze[h, c]
        grad_excite_bias += grad_second
        grad_squeeze_bias += grad_first
        constants = _to_columns(grad_means * np.float32(channels / x[b].size))
        columns, kernels = _to_columns(gates), _to_columns(gates * spatial)
        for r in range(x.shape[1]):
            _spread(voxel_gates[b, r], spread)
            _spread(scores[r], products)
            for j in range(x.shape[2]):
                value = _read(grad_output[b, r, j]) * columns[j] * spread[j]
                grad_x[b, r, j] = _as(grad_x, value + kernels[j] * products[j] + constants[j])


@kernel
def _write_voxel_gates(x: np.ndarray, kernels: np.ndarray, bias: float, gates: np.ndarray) -> None:
    """Writes sigmoid(k . x_v + b) of each voxel v to `gates` (R, V); x (R, W), k spread over a row."""
    channels = x.shape[1] // gates.shape[1]
    products = np.empty(x.shape[1], np.float32)
    for r in range(len(x)):
        for j in range(x.shape[1]):
            products[j] = _read(x[r, j]) * kernels[j]
        for v in range(gates.shape[1]):
            score = bias
            for c in range(channels):
                score += products[v * channels + c]
            gates[r, v] = score
        for v in range(gates.shape[1]):
            gates[r, v] = np.float32(1) / (np.float32(1) + _exp(-gates[r, v]))


@kernel
def _voxel_gradients(
    x: np.ndarray, grad_output: np.ndarray, channel_gates: np.ndarray, voxel_gates: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients of the voxels' scores (R, V), of the kernel and of what the channel gates weigh, (C,)."""
    width, channels = x.shape[1], len(channel_gates)
    scores = np.empty_like(voxel_gates)
    products, spread = np.empty(width, np.float32), np.empty(width, np.float32)
    grad_kernel, grad_gates = np.zeros(width, np.float32), np.zeros(width, np.float32)
    gates = _to_columns(channel_gates)
    for r in range(len(x)):
        _spread(voxel_gates[r], spread)
        for j in range(width):
            product = _read(x[r, j]) * _read(grad_output[r, j])
            products[j] = product * gates[j]
            grad_gates[j] += product * spread[j]
        for v in range(voxel_gates.shape[1]):
            gate, total = voxel_gates[r, v], np.float32(0)
            for c in range(channels):
                total += products[v * channels + c]
            scores[r, v] = total * gate * (np.float32(1) - gate)
        _spread(scores[r], spread)
        for j in range(width):
            grad_kernel[j] += _read(x[r, j]) * spread[j]
    return (
        scores,
        _to_channels(grad_kernel, channels).astype(np.float32),
        _to_channels(grad_gates, channels).astype(np.float32),
    )


@kernel
def pool(x: np.ndarray, y: np.ndarray, places: np.ndarray) -> None:
    """Max-pooling of 2 x 2 x 2 windows; of equal values the first counts, and NaN before all.

    Args:
        x: (B, X, Y, Z, C).
        y: (B, X / 2, Y / 2, Z / 2, C), is written.
        places: like `y`, uint8, is written: where in its window each maximum was, 4 i + 2 j + k.
    """
    for b, i, j in np.ndindex(y.shape[:3]):
        for k in range(y.shape[3]):
            for c in range(y.shape[4]):
                best, place = x[b, 2 * i, 2 * j, 2 * k, c], np.uint8(0)
                for q in range(1, PLACES):
                    value = x[b, 2 * i + (q >> 2), 2 * j + (q >> 1 & 1), 2 * k + (q & 1), c]
                    if _read(value) > _read(best) or _read(value) != _read(value):
                        best, place = value, np.uint8(q)
                y[b, i, j, k, c], places[b, i, j, k, c] = best, place


@kernel
def unpool(x: np.ndarray, places: np.ndarray, y: np.ndarray) -> None:
    """Puts each number of `x` to its place in a window of `y`, with 0 at the others: as `pool` has them."""
    zero = np.zeros(1, x.dtype)[0]
    for b, i, j in np.ndindex(x.shape[:3]):
        for k in range(x.shape[3]):
            for c in range(x.shape[4]):
                value, place = x[b, i, j, k, c], places[b, i, j, k, c]
                for q in range(PLACES):
                    here = value if place == np.uint8(q) else zero
                    y[b, 2 * i + (q >> 2), 2 * j + (q >> 1 & 1), 2 * k + (q & 1), c] = here


@kernel
def take(y: np.ndarray, places: np.ndarray, x: np.ndarray) -> None:
    """Writes to `x` the numbers of `y` at these places: backwards through `unpool`."""
    for b, i, j in np.ndindex(x.shape[:3]):
        for k in range(x.shape[3]):
            for c in range(x.shape[4]):
                q = places[b, i, j, k, c]
                x[b, i, j, k, c] = y[b, 2 * i + (q >> 2), 2 * j + (q >> 1 & 1), 2 * k + (q & 1), c]


@kernel
def class_sums(
    logits: np.ndarray, labels: np.ndarray, probabilities: np.ndarray, sums: np.ndarray, right: np.ndarray
) -> None:
    """Return what the losses need of each patch and class.

    Args:
        logits: (B, N, 3).
        labels: (B, N); what is no class is left out.
        probabilities: (B, 3, N), is written: their softmax.
        sums: (4, B, 3), is written: of the negative log-probability of the class where it is the label, of
            its probability wherever there is a label, of its probability where it is the label, and of the
            places where it is the label.
        right: (B,), is written: voxels whose likeliest class is their label.
    """
    one, nothing = np.float32(1), np.float32(0)
    some, p = np.zeros((CLASSES, BLOCK), np.float32), np.empty((CLASSES, BLOCK), np.float32)
    levels = np.empty(BLOCK, np.float32)
    best, own = np.empty(BLOCK, np.int32), np.empty(BLOCK, np.int32)
    for b in range(len(logits)):
        found, hits = np.zeros((4, CLASSES)), np.float32(0)
        for start in range(0, logits.shape[1], BLOCK):
            count = min(BLOCK, logits.shape[1] - start)
            for n in range(count):
                own[n] = labels[b, start + n]
                for c in range(CLASSES):
                    some[c, n] = _read(logits[b, start + n, c])
            _softmax(some, p, best, levels)
            for c in range(CLASSES):
                logit, share = some[c], p[c]
                surprise, probable, overlap, present = nothing, nothing, nothing, nothing
                for n in range(count):
                    is_class = one if own[n] == c else nothing
                    surprise += (levels[n] - logit[n]) * is_class
                    probable += share[n] * (one if own[n] < CLASSES else nothing)
                    overlap += share[n] * is_class
                    present += is_class
                    hits += is_class if best[n] == c else nothing
                found[0, c] += surprise
                found[1, c] += probable
                found[2, c] += overlap
                found[3, c] += present
            probabilities[b, :, start : start + count] = p[:, :count]
        sums[:, b] = found
        right[b] = hits


@kernel
def _softmax(logits: np.ndarray, p: np.ndarray, best: np.ndarray, levels: np.ndarray) -> None:
    """Writes of logits (3, n) the softmax, the likeliest class, and the logarithm of the sum of exponentials.

    In loops that are simple enough to become vectors.
    """
    for n in range(len(levels)):
        second = max(logits[1, n], logits[2, n])
        best[n] = 0 if logits[0, n] >= second else 1 if logits[1, n] >= logits[2, n] else 2
        levels[n] = max(logits[0, n], second)
    for c in range(CLASSES):
        for n in range(len(levels)):
            p[c, n] = _exp(logits[c, n] - levels[n])
    for n in range(len(levels)):
        total = p[0, n] + p[1, n] + p[2, n]
        levels[n] += _log(total)
        p[0, n] /= total
        p[1, n] /= total
        p[2, n] /= total


@kernel
def class_sums_backward(
    probabilities: np.ndarray, labels: np.ndarray, grad_output: np.ndarray, grad_logits: np.ndarray
) -> None:
    """Writes the gradient of the logits (B, N, 3).

    Args:
        grad_output: (4, B, 3), gradient of the sums of `class_sums`; the last depend on no logit.
    """
    for b in range(len(labels)):
        p, grad_surprise, grad_probable = probabilities[b], grad_output[0, b], grad_output[1, b]
        grad_overlap = grad_output[2, b]
        for n in range(labels.shape[1]):
            own = labels[b, n]
            if own >= CLASSES:
                grad_logits[b, n, 0] = grad_logits[b, n, 1] = grad_logits[b, n, 2] = 0
                continue
            # Of probabilities u: of a logit p_c (u_c - sum_k p_k u_k). Of -log p_own: p_c, less 1 if own.
            mean = p[own, n] * grad_overlap[own]
            for c in range(CLASSES):
                mean += p[c, n] * grad_probable[c]
            for c in range(CLASSES):
                value = p[c, n] * (grad_probable[c] - mean + grad_surprise[own])
                if c == own:
                    value += p[c, n] * grad_overlap[own] - grad_surprise[own]
                grad_logits[b, n, c] = _as(grad_logits, value)


@kernel
def _column_sums(x: np.ndarray) -> np.ndarray:
    """Sum each column of (B, R, W): (W,), float64."""
    total = np.zeros(x.shape[2])
    for b in range(len(x)):
        for start in range(0, x.shape[1], BLOCK):
            some = np.zeros(x.shape[2], np.float32)
            for r in range(start, min(start + BLOCK, x.shape[1])):
                for j in range(x.shape[2]):
                    some[j] += _read(x[b, r, j])
            total += some
    return total


@kernel
def _column_squares(x: np.ndarray, means: np.ndarray) -> np.ndarray:
    """Sum the squared distances of each column from its mean: (W,), float64."""
    total = np.zeros(x.shape[2])
    for b in range(len(x)):
        for start in range(0, x.shape[1], BLOCK):
            some = np.zeros(x.shape[2], np.float32)
            for r in range(start, min(start + BLOCK, x.shape[1])):
                for j in range(x.shape[2]):
                    distance = _read(x[b, r, j]) - means[j]
                    some[j] += distance * distance
            total += some
    return total


@kernel
def _means(x: np.ndarray, b: int, channels: int) -> np.ndarray:
    """Return the mean of each channel of volume `b`: (C,), float32."""
    sums = _to_channels(_column_sums(x[b : b + 1]), channels)
    return (sums * (channels / x[b].size)).astype(np.float32)


@kernel
def _to_channels(columns: np.ndarray, channels: int) -> np.ndarray:
    """Add up what holds for columns (W,) for each channel: (C,), float64."""
    total = np.zeros(channels)
    for j in range(len(columns)):
        total[j % channels] += columns[j]
    return total


@kernel
def _to_columns(a_channel: np.ndarray) -> np.ndarray:
    """Repeat what holds for channels (C,) for each column of a row: (W,)."""
    columns = np.empty(WIDTH, a_channel.dtype)
    for j in range(WIDTH):
        columns[j] = a_channel[j % len(a_channel)]
    return columns


@kernel
def _affine(matrix: np.ndarray, vector: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """A small matrix times a vector, plus the bias."""
    found = bias.copy()
    for i in range(len(found)):
        for j in range(len(vector)):
            found[i] += matrix[i, j] * vector[j]
    return found


@kernel
def _sigmoids(x: np.ndarray) -> np.ndarray:
    found = np.empty_like(x)
    for i in range(len(x)):
        found[i] = np.float32(1) / (np.float32(1) + _exp(-x[i]))
    return found


@kernel
def _spread(values: np.ndarray, spread: np.ndarray) -> None:
    """Writes what holds for the voxels of a row (V,) for each of its columns (W,)."""
    channels = len(spread) // len(values)
    for v in range(len(values)):
        for c in range(channels):
            spread[v * channels + c] = values[v]


@kernel
def _passed(value: Any, grad_output: Any) -> Any:
    """Return what ReLU lets through of a gradient, where it met this value."""
    return np.float32(0) if value <= np.float32(0) else grad_output


@kernel
def _exp(x: Any) -> Any:
    """Compute e^x to within 3e-7 of itself, from e^-87 to e^88: 2^n times a series (Cody & Waite, 1980)."""
    x = min(max(x, np.float32(-87)), np.float32(88))
    n = np.floor(x * np.float32(1.44269504) + np.float32(0.5))
    rest = x - n * np.float32(0.693359375) + n * np.float32(2.12194440e-4)
    series = np.float32(1 / 5040) * rest + np.float32(1 / 720)
    series = series * rest + np.float32(1 / 120)
    series = series * rest + np.float32(1 / 24)
    series = series * rest + np.float32(1 / 6)
    series = series * rest + np.float32(1 / 2)
    series = series * rest + np.float32(1)
    series = series * rest + np.float32(1)
    return series * _power_of_two(np.int32(n))


@kernel
def _log(x: Any) -> Any:
    """Compute ln of 1 to 3 to within 1e-7: half of ln 3, and of x / sqrt 3 twice the series of artanh."""
    z = (x - np.float32(math.sqrt(3))) / (x + np.float32(math.sqrt(3)))
    square = z * z
    series = square * np.float32(1 / 9) + np.float32(1 / 7)
    series = series * square + np.float32(1 / 5)
    series = series * square + np.float32(1 / 3)
    series = series * square + np.float32(1)
    return np.float32(math.log(3) / 2) + np.float32(2) * z * series


@instructions
def _read(_: Any, number: Any) -> Any:
    """A number of a volume as float32."""

    def as_it_is(_: Any, __: Any, ___: Any, given: Any) -> Any:
        return given[0]

    def widened(_: Any, builder: Any, __: Any, given: Any) -> Any:
        bits = builder.shl(builder.zext(given[0], BITS), BITS(HALF))
        return builder.bitcast(bits, ir.FloatType())

    return types.float32(number), widened if number == types.uint16 else as_it_is


@instructions
def _as(_: Any, array: Any, number: Any) -> Any:
    """A float32 in the type of an array; in bfloat16 the nearest number, of two as near the even one."""

    def as_it_is(_: Any, __: Any, ___: Any, given: Any) -> Any:
        return given[1]

    def rounded(_: Any, builder: Any, __: Any, given: Any) -> Any:
        bits = builder.bitcast(given[1], BITS)
        is_odd = builder.and_(builder.lshr(bits, BITS(HALF)), BITS(1))
        up = builder.add(bits, builder.add(BITS(0x7FFF), is_odd))
        return builder.trunc(builder.lshr(up, BITS(HALF)), ir.IntType(HALF))

    narrow = array.dtype == types.uint16
    return array.dtype(array, types.float32), rounded if narrow else as_it_is


@instructions
def _power_of_two(_: Any, exponent: Any) -> Any:
    """2^n as float32, of n from -126 to 127, int32."""

    def shifted(_: Any, builder: Any, __: Any, given: Any) -> Any:
        bits = builder.shl(builder.add(given[0], BITS(127)), BITS(23))
        return builder.bitcast(bits, ir.FloatType())

    return types.float32(types.int32), shifted
