"""The slices of one volume: in order, at even distances, at right angles, and each but once."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from t1t2core.cohort.dicom_frame import Frame
from t1t2core.errors import InputError

MOST_UNEVENNESS = 0.1
"""Largest deviation of one slice distance from the median, as a share of it: beyond, slices are missing."""

MOST_SHIFT_MM = 1.0
"""Largest distance of a slice from its place in an upright, even stack, mm: beyond, the gantry was tilted, or
distances change little by little."""

MOST_SKEW = 0.01
"""Largest deviation of the products of two axes from 0 and 1, and of the axes of two slices."""

SAME_PLACE_MM = 0.01
"""Largest distance of two slices that count as lying at one place, mm."""

SAME_SPACING = 1e-3
"""Largest deviation of the voxel sizes of two slices, as a share: a quarter of a millimetre over a head."""

LEAST_PART = 3
"""Fewest equal distances in a row that make a part of a scan of thin and thick slices, not a gap."""

TAKE_APART = "take them apart first, as dcm2niix does, and give one of the volumes"


def in_order(frames: Sequence[Frame]) -> tuple[list[Frame], np.ndarray, float]:
    """Check that slices are one volume.

    Returns:
        The slices along the third axis; the axes, a column each, right-handed (LPS); the distance of
        the slices, mm.

    Raises:
        InputError: only one, not alike, several volumes, slices missing or doubled, sheared by a tilted
            gantry, or axes not at right angles.
    """
    if len(frames) < 2:
        raise InputError("one slice, where the slices of a volume are expected")
    _check_alike(frames)
    axes = _upright(frames[0])
    ordered = sorted(frames, key=lambda frame: float(np.dot(frame.position, axes[:, 2])))
    along = np.array([frame.position for frame in ordered]) @ axes
    if along[-1, 2] - along[0, 2] <= SAME_PLACE_MM:
        raise InputError(f"its {len(ordered)} slices lie at one place")
    _check_once(ordered)
    _check_shear(ordered, along)
    _check_distances(ordered, along[:, 2])
    return ordered, axes, float(along[-1, 2] - along[0, 2]) / (len(ordered) - 1)


def _check_alike(frames: Sequence[Frame]) -> None:
    stacks = Counter(frame.stack for frame in frames if frame.stack)
    if len(stacks) > 1:
        listed = ", ".join(f"{name} ({count} frames)" for name, count in stacks.items())
        raise InputError(f"{len(stacks)} stacks of frames, where one is expected: {listed}; {TAKE_APART}")
    sizes = _alike(frames, lambda frame: frame.size, 0)
    _check_one(sizes, "size", [" x ".join(map(str, group[0].size)) for group in sizes])
    turned = _alike(frames, lambda frame: frame.axes, MOST_SKEW)
    _check_one(turned, "orientation", ["\\".join(f"{n:g}" for n in group[0].axes) for group in turned])
    scaled = _alike(frames, lambda frame: tuple(map(math.log, frame.spacing)), SAME_SPACING)
    _check_one(scaled, "voxel size", [" x ".join(f"{mm:g}" for mm in group[0].spacing) for group in scaled])


def _alike(
    frames: Sequence[Frame], trait: Callable[[Frame], tuple[float, ...]], most: float
) -> list[list[Frame]]:
    """The frames in groups within which a trait differs by at most so much, the largest group first."""
    groups: list[list[Frame]] = []
    for frame in frames:
        own = trait(frame)
        near = (g for g in groups if all(abs(a - b) <= most for a, b in zip(own, trait(g[0]), strict=True)))
        if (group := next(near, None)) is not None:
            group.append(frame)
        else:
            groups.append([frame])
    return sorted(groups, key=len, reverse=True)


def _check_one(groups: list[list[Frame]], trait: str, values: list[str]) -> None:
    if len(groups) == 1:
        return
    listed = ", ".join(
        f"{len(group)} of {value} ({group[0].name}{', ...' if len(group) > 1 else ''})"
        for group, value in list(zip(groups, values, strict=True))[:3]
    )
    in_one_file = groups[0][0].file == groups[-1][0].file
    advice = TAKE_APART if in_one_file else "leave out what is not of the volume, such as a localizer"
    raise InputError(f"its slices differ in {trait}: {listed}{', ...' if len(groups) > 3 else ''}; {advice}")


def _upright(frame: Frame) -> np.ndarray:
    """The axes as columns, brought to right angles from what rounding has left."""
    within = np.reshape(frame.axes, (2, 3))
    if np.abs(within @ within.T - np.eye(2)).max() > MOST_SKEW:
        raise InputError("the axes of its slices are not at right angles, or no unit vectors")
    row = within[0] / np.linalg.norm(within[0])
    normal = np.cross(row, within[1])
    normal /= np.linalg.norm(normal)
    return np.column_stack([row, np.cross(normal, row), normal])


def _check_once(ordered: Sequence[Frame]) -> None:
    """Check that there is one slice at each place."""
    places = [[ordered[0]]]
    for before, frame in pairwise(ordered):
        if math.dist(before.position, frame.position) > SAME_PLACE_MM:
            places.append([])
        places[-1].append(frame)
    counts = [len(place) for place in places]
    if max(counts) == 1:
        return
    at = int(np.argmax(counts))
    if np.median(counts) > 1:
        raise InputError(f"{max(counts)} volumes at the same places{_difference(places[at])}: {TAKE_APART}")
    names = ", ".join(frame.name for frame in places[at][:3])
    raise InputError(
        f"slices are doubled: {counts[at]} lie at the place of slice {at + 1} ({names}); keep one of them"
    )


def _difference(frames: Sequence[Frame]) -> str:
    """Return what tells frames at one place apart, in words."""
    found = []
    for trait in dict.fromkeys(name for frame in frames for name in frame.traits):
        values = sorted({frame.traits.get(trait, "none") for frame in frames})
        if len(values) > 1:
            found.append(f"{trait} ({', '.join(values[:5])}{', ...' if len(values) > 5 else ''})")
    return f", which differ in {' and '.join(found)}" if found else ""


def _check_shear(ordered: Sequence[Frame], along: np.ndarray) -> None:
    """`along` has the places of the slices along the three axes, mm."""
    within, height = along[:, :2], (along[:, 2] - along[0, 2]) / (along[-1, 2] - along[0, 2])
    shift = within[-1] - within[0]
    from_line = np.linalg.norm(within - within[0] - np.outer(height, shift), axis=1)
    shear = float(np.linalg.norm(shift))
    if shear > MOST_SHIFT_MM and from_line.max() <= MOST_SHIFT_MM:
        raise InputError(
            f"its slices are sheared by {shear:.1f} mm (tilted gantry): resample it to upright slices first"
        )
    from_most = np.linalg.norm(within - np.median(within, axis=0), axis=1)
    if from_most.max() > MOST_SHIFT_MM:
        odd = ordered[int(np.argmax(from_most))].name
        raise InputError(
            f"its slices do not lie above each other: {odd} is shifted by {from_most.max():.1f} mm within "
            "its plane; leave out what is not of the volume"
        )


def _check_distances(ordered: Sequence[Frame], heights: np.ndarray) -> None:
    distances = np.diff(heights)
    usual = float(np.median(distances))
    worst = int(np.argmax(np.abs(distances - usual)))
    even = np.linspace(heights[0], heights[-1], len(heights))
    if _same(distances[worst], usual):
        if np.abs(heights - even).max() <= MOST_SHIFT_MM:
            return
        raise InputError(
            f"its slices lie at distances of {distances.min():.2f} to {distances.max():.2f} mm: resample it "
            "to even distances first"
        )
    if len(parts := _parts(distances)) > 1:
        listed = ", then ".join(
            f"{distances[first]:.2f} mm from slice {first + 1} ({ordered[first].name}) on" for first in parts
        )
        raise InputError(
            f"its slices lie at different distances: {listed}; resample it to even distances first, or give "
            "one part"
        )
    raise InputError(
        f"slices are missing or doubled: {distances[worst]:.2f} mm from slice {worst + 1} "
        f"({ordered[worst].name}) to the next, {usual:.2f} mm elsewhere; get the whole series"
    )


def _parts(distances: np.ndarray) -> list[int]:
    """Find where each part of a scan begins, within which the slices lie at even distances."""
    runs = [[0]]
    for at in range(1, len(distances)):
        if not _same(distances[at], distances[runs[-1][0]]):
            runs.append([])
        runs[-1].append(at)
    parts: list[int] = []
    for run in runs:
        if len(run) >= LEAST_PART and not (parts and _same(distances[run[0]], distances[parts[-1]])):
            parts.append(run[0])
    return parts


def _same(distance: float, usual: float) -> bool:
    return abs(distance - usual) <= MOST_UNEVENNESS * usual
