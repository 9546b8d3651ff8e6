"""Simple solids by their signed distance, and smooth random fields: what a digital head is made of."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import scipy.sparse
from scipy.interpolate import BSpline

Array = np.ndarray
Point = tuple[float, float, float]

# Standard deviation of a line of cubic B-splines with weights of unit variance: sqrt(151 / 315).
SPLINE_DEVIATION = 0.692


class Solid(Protocol):
    """A body in head coordinates, mm; it stands on both sides of the midline where its centre is off it."""

    def distance(self, x: Array, y: Array, z: Array) -> Array:
        """Signed distance to the surface, mm, negative inside; `x` is the distance from the midline."""

    def bounds(self) -> tuple[Point, Point]:
        """Lowest and highest corner of the box that holds it."""


@dataclass(frozen=True)
class Ellipsoid:
    """An ellipsoid along the axes of the head, mm."""

    centre: Point
    axes: Point

    def distance(self, x: Array, y: Array, z: Array) -> Array:
        """First-order signed distance, mm: exact on the surface, coarser away from it."""
        # In place: fresh arrays of a whole head cost more than the arithmetic.
        radius, slope = np.zeros_like(x), np.zeros_like(x)
        for value, centre, axis in zip((x, y, z), self.centre, self.axes, strict=True):
            square = value - np.float32(centre)
            square *= np.float32(1 / axis)
            square *= square
            radius += square
            square *= np.float32(1 / axis**2)
            slope += square
        slope += np.float32(1e-9)
        root = np.sqrt(radius, out=radius)
        slope = np.sqrt(slope, out=slope)
        np.divide(root, slope, out=slope)
        root -= 1
        slope *= root
        return slope

    def bounds(self) -> tuple[Point, Point]:
        """Lowest and highest corner of its box."""
        low = tuple(c - a for c, a in zip(self.centre, self.axes, strict=True))
        high = tuple(c + a for c, a in zip(self.centre, self.axes, strict=True))
        return low, high  # type: ignore[return-value]


@dataclass(frozen=True)
class Capsule:
    """All points within `radius` of a segment, mm."""

    start: Point
    end: Point
    radius: float

    def distance(self, x: Array, y: Array, z: Array) -> Array:
        """Signed distance, mm."""
        axis = np.subtract(self.end, self.start)
        offsets = [value - np.float32(s) for value, s in zip((x, y, z), self.start, strict=True)]
        along = sum(offset * np.float32(a) for offset, a in zip(offsets, axis / (axis @ axis), strict=True))
        along = np.clip(along, 0, 1)
        squares = [(o - along * np.float32(a)) ** 2 for o, a in zip(offsets, axis, strict=True)]
        return np.sqrt(squares[0] + squares[1] + squares[2]) - np.float32(self.radius)

    def bounds(self) -> tuple[Point, Point]:
        """Lowest and highest corner of its box."""
        low = np.minimum(self.start, self.end) - self.radius
        high = np.maximum(self.start, self.end) + self.radius
        return tuple(low.tolist()), tuple(high.tolist())


@dataclass(frozen=True)
class Arch:
    """A horseshoe open to the back: jaws and rows of teeth, mm.

    Args:
        centre_y: of the ellipse that the horseshoe follows.
        half_axes: of that ellipse, across and forward.
        half_width: of the wall.
        heights: lower and upper end.
        back_y: where it ends.
    """

    centre_y: float
    half_axes: tuple[float, float]
    half_width: float
    heights: tuple[float, float]
    back_y: float

    def distance(self, x: Array, y: Array, z: Array) -> Array:
        """Signed distance, mm."""
        ellipse = Ellipsoid((0.0, self.centre_y, 0.0), (*self.half_axes, 1e6))
        wall = np.abs(ellipse.distance(x, y, np.zeros_like(z))) - np.float32(self.half_width)
        low, high = self.heights
        height = np.abs(z - np.float32((low + high) / 2)) - np.float32((high - low) / 2)
        return np.maximum(np.maximum(wall, height), np.float32(self.back_y) - y)

    def bounds(self) -> tuple[Point, Point]:
        """Lowest and highest corner of its box."""
        across = self.half_axes[0] + self.half_width
        front = self.centre_y + self.half_axes[1] + self.half_width
        return (-across, self.back_y, self.heights[0]), (across, front, self.heights[1])


def smooth_union(first: Array, second: Array, width_mm: float) -> Array:
    """Signed distance to both bodies together, their crease rounded over `width_mm`."""
    blend = np.maximum(np.float32(width_mm) - np.abs(first - second), 0)
    return np.minimum(first, second) - blend * blend * np.float32(0.25 / width_mm)


def smooth_noise(
    rng: np.random.Generator, shape: tuple[int, ...], voxel_mm: float, wavelength_mm: float
) -> Array:
    """Random field of mean 0 and standard deviation about 1 with detail down to about `wavelength_mm`.

    Cubic B-splines with random weights, knots a third of a wavelength apart; float32 of `shape`.
    """
    bases = [_spline_basis(size, voxel_mm, wavelength_mm / 3) for size in shape]
    return _expand(_weights(rng, bases), bases)


def band_noise(
    rng: np.random.Generator, shape: tuple[int, ...], voxel_mm: float, wavelength_mm: float
) -> Array:
    """Make `smooth_noise` less the waves much longer than `wavelength_mm`: its zero surfaces fold evenly."""
    bases = [_spline_basis(size, voxel_mm, wavelength_mm / 3) for size in shape]
    weights = _weights(rng, bases)
    mean = weights
    for axis in range(3):
        mean = (np.roll(mean, 1, axis) + mean + np.roll(mean, -1, axis)) / 3
    return _expand(weights - mean, bases)


def _weights(rng: np.random.Generator, bases: list[scipy.sparse.csr_array]) -> Array:
    weights = rng.standard_normal([basis.shape[1] for basis in bases], dtype=np.float32)
    return (weights - weights.mean()) * np.float32(SPLINE_DEVIATION**-3 / weights.std())


def _spline_basis(size: int, voxel_mm: float, knot_mm: float) -> scipy.sparse.csr_array:
    """Cubic B-splines at `size` sampling points: (size, splines), four a row."""
    knot_mm = max(knot_mm, voxel_mm)
    position = np.arange(size) * voxel_mm / knot_mm
    knots = np.arange(-3, int(position[-1]) + 5, dtype=float)
    return scipy.sparse.csr_array(BSpline.design_matrix(position, knots, 3).astype(np.float32))


def _expand(weights: Array, bases: list[scipy.sparse.csr_array]) -> Array:
    # Sparse products, not BLAS: the bytes must not depend on the number of threads.
    for axis in (2, 1, 0):
        moved = np.ascontiguousarray(np.moveaxis(weights, axis, 0))
        product = bases[axis] @ moved.reshape(moved.shape[0], -1)
        weights = np.moveaxis(product.reshape(-1, *moved.shape[1:]), 0, axis)
    return np.ascontiguousarray(weights)
