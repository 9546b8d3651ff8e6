"""The network's grid: where it lies in a scan, and scans resampled onto it."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from t1t2core.errors import InputError
from t1t2core.settings import BoxPlace, PreparationSettings

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
MOST_VOXEL_MM = 50.0
"""Coarser voxels hold no anatomy."""
MOST_VOXELS = 2**28
"""Of a lattice that covers a scan: 1 GB a volume."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A lattice of voxels that covers a scan, and where the network's box lies in it.

    Args:
        lattice: an empty image; it covers scan and box.
        start: lattice index (x, y, z) of the box's first voxel.
    """

    lattice: sitk.Image
    start: tuple[int, int, int]


def span(start: tuple[int, int, int], size: tuple[int, int, int]) -> tuple[slice, slice, slice]:
    """Return where a part of a volume lies that begins at a voxel."""
    x, y, z = (slice(a, a + n) for a, n in zip(start, size, strict=True))
    return x, y, z


def place_grid(scan: sitk.Image, head: sitk.Image, settings: PreparationSettings) -> Grid:
    """Place the box of `settings.grid` voxels around the head, along the axes of the scan.

    Centred on the head left-right and back-front; upwards it lies as `settings.box` says. It stays inside the
    scan where it fits.

    Args:
        scan: MR scan with axes nearest to RAS.
        head: mask on the same axes and field of view.

    Raises:
        InputError: voxels so small or large that no such grid can be made.
    """
    _check_size(scan, settings)
    starts, first, last = [], [], []
    for axis, (size, voxel) in enumerate(zip(settings.grid, settings.voxel_mm, strict=True)):
        field = scan.GetSize()[axis] * scan.GetSpacing()[axis]
        spare = field - size * voxel
        if spare <= 0:
            start = spare / 2
        elif axis == 2:
            start = _lowest_mm(head, size * voxel, spare, settings.box)
        else:
            start = min(max(sum(extent_mm(head, axis)) / 2 - size * voxel / 2, 0.0), spare)
        starts.append(start)
        first.append(min(0, int(np.floor(-start / voxel))))
        last.append(max(size, int(np.ceil((field - start) / voxel))))
    lattice_size = [b - a for a, b in zip(first, last, strict=True)]
    voxels = settings.voxel_mm
    lattice = _empty(
        scan, lattice_size, voxels, [s + a * v for s, a, v in zip(starts, first, voxels, strict=True)]
    )
    return Grid(lattice=lattice, start=(-first[0], -first[1], -first[2]))


def _check_size(scan: sitk.Image, settings: PreparationSettings) -> None:
    lengths = zip(scan.GetSize(), scan.GetSpacing(), settings.voxel_mm, settings.grid, strict=True)
    voxels = math.prod(size * own / voxel + side for size, own, voxel, side in lengths)
    if max(settings.voxel_mm) > MOST_VOXEL_MM or voxels > MOST_VOXELS:
        shown = " x ".join(f"{mm:g}" for mm in settings.voxel_mm)
        raise InputError(
            f"preparation.voxel_mm: found {shown}; at most {MOST_VOXEL_MM:g} mm, and no more than "
            f"{MOST_VOXELS:,} voxels to cover a scan are possible, here {voxels:.2g}"
        )


def _areas(head: sitk.Image, axis: int) -> np.ndarray:
    """Count the voxels of the head in each slice across `axis`."""
    return to_array(head).sum(axis=tuple(a for a in range(3) if a != axis), dtype=np.int64)


def extent_mm(head: sitk.Image, axis: int) -> tuple[float, float]:
    """Find the span, mm, of the slices across `axis` that have any head; all of them where none has."""
    spacing, inside = head.GetSpacing()[axis], np.flatnonzero(areas := _areas(head, axis))
    first, last = (inside[0], inside[-1] + 1) if len(inside) else (0, len(areas))
    return float(first * spacing), float(last * spacing)


def _lowest_mm(head: sitk.Image, height: float, spare: float, box: BoxPlace) -> float:
    """Find where upwards a box begins, mm from the lower end of the scan.

    Args:
        height: of the box, mm.
        spare: the largest height at which it still ends inside the scan, mm.
    """
    if box == "crown":
        return min(max(extent_mm(head, 2)[1] - height, 0.0), spare)
    spacing, areas = head.GetSpacing()[2], _areas(head, 2)
    borders = np.arange(len(areas) + 1) * spacing
    below = np.concatenate([[0], np.cumsum(areas)])
    # The sum of areas is linear between these starts, so it is largest at some of them.
    starts = np.clip(np.concatenate([[0.0, spare], borders, borders - height]), 0.0, spare)
    sums = np.interp(starts + height, borders, below) - np.interp(starts, borders, below)
    best = starts[sums >= sums.max() - 1e-6 * max(1.0, sums.max())]
    # Where several hold as much, a small head among them, it lies in the middle.
    return float((best.min() + best.max()) / 2)


def _empty(
    scan: sitk.Image, size: Iterable[int], voxel_mm: Iterable[float], corner_mm: Iterable[float]
) -> sitk.Image:
    """A black image on the axes of `scan`, its outer corner at `corner_mm` from the scan's."""
    voxel = [float(mm) for mm in voxel_mm]
    centre = [
        (corner + v / 2) / own - 0.5
        for corner, v, own in zip(corner_mm, voxel, scan.GetSpacing(), strict=True)
    ]
    image = sitk.Image([int(n) for n in size], sitk.sitkUInt8)
    image.SetSpacing(voxel)
    image.SetDirection(scan.GetDirection())
    image.SetOrigin(scan.TransformContinuousIndexToPhysicalPoint(centre))
    return image


def to_ras(scan: sitk.Image) -> sitk.Image:
    """The same scan with its axes nearest to left-right, back-front, up; the world stays as it is."""
    return sitk.DICOMOrient(scan, "RAS")


def to_array(image: sitk.Image) -> np.ndarray:
    """Voxels as (X, Y, Z), C-contiguous."""
    # A copy always: a view would outlive the image whose memory it shows.
    return np.array(sitk.GetArrayViewFromImage(image).transpose(2, 1, 0), order="C")


def to_image(array: np.ndarray, like: sitk.Image) -> sitk.Image:
    """An (X, Y, Z) array as an image on the grid of `like`."""
    values = array.astype(np.uint8) if array.dtype == bool else array
    image = sitk.GetImageFromArray(np.ascontiguousarray(values.transpose(2, 1, 0)))
    image.CopyInformation(like)
    return image


def affine(image: sitk.Image) -> np.ndarray:
    """Matrix (4, 4) from voxel indices to RAS world coordinates in mm, as NIfTI has it."""
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    matrix[:3, 3] = image.GetOrigin()
    return LPS_TO_RAS @ matrix


def smooth(image: sitk.Image, voxel_mm: tuple[float, ...]) -> sitk.Image:
    """Remove what voxels of `voxel_mm` cannot carry: a Gaussian along each axis that gets coarser.

    Its full width at half maximum is what the target voxel has over the image's own, in quadrature.
    """
    spacing = image.GetSpacing()
    fwhm = [np.sqrt(max(target**2 - own**2, 0.0)) for target, own in zip(voxel_mm, spacing, strict=True)]
    for axis, width in enumerate(fwhm):
        sigma = width / np.sqrt(8 * np.log(2))
        if sigma > 0.2 * spacing[axis] and image.GetSize()[axis] >= 4:
            image = sitk.RecursiveGaussian(image, float(sigma), direction=axis)
    return image


def resample_isotropic(scan: sitk.Image, spacing_mm: float) -> sitk.Image:
    """The scan's field of view at voxels of `spacing_mm`, smoothed accordingly."""
    return resample_to_voxels(scan, (spacing_mm,) * 3)


def resample_to_voxels(scan: sitk.Image, voxel_mm: tuple[float, ...]) -> sitk.Image:
    """The scan's field of view at voxels of this size along its axes, smoothed accordingly."""
    lengths = zip(scan.GetSize(), scan.GetSpacing(), voxel_mm, strict=True)
    size = [max(1, round(n * own / new)) for n, own, new in lengths]
    return resample(smooth(scan, voxel_mm), _empty(scan, size, voxel_mm, (0, 0, 0)))


def resample(image: sitk.Image, grid: sitk.Image, transform: sitk.Transform | None = None) -> sitk.Image:
    """Linear interpolation at the voxels of `grid`, the edge's values beyond the field of view."""
    return sitk.Resample(
        image,
        grid,
        sitk.Transform() if transform is None else transform,
        sitk.sitkLinear,
        0.0,
        image.GetPixelID(),
        useNearestNeighborExtrapolator=True,
    )


def covered(image: sitk.Image, grid: sitk.Image, transform: sitk.Transform | None = None) -> np.ndarray:
    """Find which voxels (X, Y, Z) of `grid` have their centre in the image's field of view, as bool."""
    ones = sitk.Image(image.GetSize(), sitk.sitkUInt8) + 1
    ones.CopyInformation(image)
    return within(ones, grid, transform)


def within(mask: sitk.Image, grid: sitk.Image, transform: sitk.Transform | None = None) -> np.ndarray:
    """Find which voxels (X, Y, Z) of `grid` have their centre in a uint8 mask, as bool."""
    moved = sitk.Transform() if transform is None else transform
    return to_array(sitk.Resample(mask, grid, moved, sitk.sitkNearestNeighbor, 0)) > 0
