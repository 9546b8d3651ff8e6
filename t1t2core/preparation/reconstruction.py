"""What a CT scanner reconstructed: a cylinder, often, in a box whose corners are padded with one value."""

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from t1t2core.preparation.grid import to_array

AIR_RANGE_HU = (-1024.0, -500.0)
"""What air can have as its one value where a CT has no noise; any other constant around a head is padding."""
LEAST_EDGE = 30
"""Pixels of an edge that tell a circle from anything else."""
RIM_VOXELS = 3
LEAST_SHARE = 0.9
"""Of the pixels outside a circle that are constant in all slices, and of its rim that are not: there, air has
noise. The outline of a head in air without noise is no circle so exactly (ours)."""


def measured(ct: sitk.Image) -> np.ndarray:
    """Find which voxels (X, Y, Z) of a CT were reconstructed, as bool: not those of a padding.

    Padding is one value that fills the box's edges, and all that is connected to them with this value. Where
    air could have that value it is padding only outside a cylinder.
    """
    hu = to_array(ct)
    value = _edge_value(hu)
    if value is None:
        return np.ones(hu.shape, bool)
    constant = hu == value
    if AIR_RANGE_HU[0] <= value <= AIR_RANGE_HU[1]:
        padding = _outside_cylinder(constant, ct.GetSpacing())
    else:
        padding = _connected_to_faces(constant)
    # Interpolation would mix padding into the voxels beside it.
    return ~ndimage.binary_dilation(padding) if padding.any() else ~padding


def _edge_value(hu: np.ndarray) -> float | None:
    """The value that four parallel edges of the box have throughout, or None."""
    for axis in range(3):
        along = np.moveaxis(hu, axis, 0)
        edges = np.stack([along[:, a, b] for a in (0, -1) for b in (0, -1)])
        if np.all(edges == edges[0, 0]):
            return float(edges[0, 0])
    return None


def _connected_to_faces(mask: np.ndarray) -> np.ndarray:
    """The pieces of a mask that reach a face of the box."""
    pieces, _ = ndimage.label(mask)
    faces = [np.take(pieces, index, axis) for axis in range(3) for index in (0, -1)]
    outer = np.unique(np.concatenate([face.ravel() for face in faces]))
    return np.isin(pieces, outer[outer > 0])


def _outside_cylinder(constant: np.ndarray, spacing: tuple[float, ...]) -> np.ndarray:
    """Return what of a constant mask lies outside a cylinder along an axis; nothing where there is none."""
    for axis in range(3):
        columns = np.asarray(constant.all(axis=axis))
        plane_mm = [spacing[a] for a in range(3) if a != axis]
        if (outside := _outside_circle(columns, plane_mm)) is not None:
            return np.broadcast_to(np.expand_dims(outside, axis), constant.shape)
    return np.zeros(constant.shape, bool)


def _outside_circle(columns: np.ndarray, spacing: list[float]) -> np.ndarray | None:
    """Pixels outside the circle within which columns are not constant, or None where that is no circle."""
    edge = np.argwhere(~columns & ndimage.binary_dilation(columns)) * spacing
    if len(edge) < LEAST_EDGE:
        return None
    # The circle through the edge by least squares: |p|^2 = 2 p.c + (r^2 - |c|^2).
    solution, *_ = np.linalg.lstsq(np.column_stack([2 * edge, np.ones(len(edge))]), (edge**2).sum(axis=1))
    centre = solution[:2]
    radius = float(np.sqrt(max(solution[2] + centre @ centre, 0.0))) + max(spacing) / 2
    places = np.moveaxis(np.indices(columns.shape), 0, -1) * spacing
    distance = np.linalg.norm(places - centre, axis=-1)
    outside = distance > radius
    rim = ~outside & (distance > radius - RIM_VOXELS * max(spacing))
    is_circle = np.mean(columns[outside]) > LEAST_SHARE and np.mean(~columns[rim]) > LEAST_SHARE
    return outside if outside.any() and is_circle else None
