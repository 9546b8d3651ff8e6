"""CT onto MR: a rigid transform by mutual information."""

from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import SimpleITK as sitk

from t1t2core.preparation.grid import resample_isotropic, to_array, to_image
from t1t2core.preparation.head import background
from t1t2core.preparation.threads import one_thread

FINE_MM, COARSE_MM = 2.0, 4.0
"""Voxel sizes of the two resolutions (ours)."""
HU_RANGE = (-1000.0, 1500.0)
"""Beyond these, CT says nothing more about where a tissue ends."""
BINS = 32
"""Histogram bins of the mutual information of Mattes et al., IEEE TMI 22(1), 2003."""
COARSE_SAMPLES, FINE_SAMPLES = 15_000, 30_000
SURROUND_VOXELS = 5
"""Air around the head that takes part, in voxels of the head mask: the skin's edge is informative."""
START_TILTS_DEG = (-15.0, 0.0, 15.0)
"""Nodding angles to start from."""
OPTIMISED_STARTS = 2
RESTART_SHIFT_MM = (6.0, -5.0, 7.0)
RESTART_TURN_DEG = (4.0, -3.0, 3.0)
"""Where the second optimisation starts, seen from the start of the first."""


@dataclass(frozen=True, kw_only=True)
class Registration:
    """Where a CT lies in the world of an MR scan.

    Args:
        to_ct: rigid transform from points of the MR's world to points of the CT's (LPS, mm).
        restart_mm: mean distance, over the head, to the result of a second optimisation from another
            start with other samples.
        mirror_ratio: mutual information of the result over that of the CT's mirror image, put where it fits
            best near the result; below 1 where left and right are exchanged.
    """

    to_ct: sitk.Euler3DTransform
    restart_mm: float
    mirror_ratio: float


@dataclass(frozen=True, kw_only=True)
class _Level:
    """One resolution of a pair of scans."""

    mr: sitk.Image
    ct: sitk.Image
    near_head: sitk.Image
    samples: int


@one_thread()
def register(
    mr: sitk.Image,
    ct: sitk.Image,
    mr_head: sitk.Image,
    ct_head: sitk.Image,
    hints: tuple[sitk.Transform, ...] = (),
) -> Registration:
    """Find the rigid transform that maps the MR's head into the CT; the same numbers at every call.

    Args:
        mr: MR scan.
        ct: CT in HU without table.
        mr_head: mask of the head in the MR's world.
        ct_head: mask of the head in the CT's world.
        hints: transforms from the MR's to the CT's world to start from too.
    """
    coarse, fine = _levels(mr, ct, mr_head)
    starts = _starts(mr_head, ct_head, hints)
    best = sorted(starts, key=lambda start: _evaluate(coarse, start))[:OPTIMISED_STARTS]
    roughly = [_optimise(coarse, start, step_mm=2.0, smallest_mm=0.02, seed=1) for start in best]
    chosen = min(range(len(best)), key=lambda i: roughly[i][1])
    result, value = _optimise(fine, roughly[chosen][0], step_mm=0.5, smallest_mm=0.003, seed=1)
    again, _ = _descend((coarse, fine), _shifted(best[chosen]), seed=2)
    return Registration(
        to_ct=result,
        restart_mm=mean_distance_mm(result, again, mr_head),
        mirror_ratio=_mirror_ratio((coarse, fine), result, value, mr_head),
    )


@one_thread()
def judge_place(
    mr: sitk.Image, ct: sitk.Image, mr_head: sitk.Image, place: sitk.Transform
) -> dict[str, float]:
    """Measure a place that was given: how far from it the scans fit best, and whether they fit mirrored.

    Args:
        mr: MR scan.
        ct: CT in HU without table.
        mr_head: mask of the head in the MR's world.
        place: from the MR's to the CT's world.

    Returns:
        `offset_mm`, the mean distance over the head to the best place near the given one, and `mirror_ratio`
        (see `Registration`).
    """
    levels = _levels(mr, ct, mr_head)
    best, value = _descend(levels, _as_euler(place, _centre(mr_head)), seed=1)
    return {
        "offset_mm": mean_distance_mm(place, best, mr_head),
        "mirror_ratio": _mirror_ratio(levels, best, value, mr_head),
    }


def _descend(
    levels: tuple[_Level, _Level], start: sitk.Euler3DTransform, seed: int
) -> tuple[sitk.Euler3DTransform, float]:
    """The best place near a start, from the coarse to the fine resolution, and the metric there."""
    coarse, fine = levels
    roughly, _ = _optimise(coarse, start, step_mm=2.0, smallest_mm=0.02, seed=seed)
    return _optimise(fine, roughly, step_mm=0.5, smallest_mm=0.003, seed=seed)


def _mirror_ratio(
    levels: tuple[_Level, _Level], place: sitk.Euler3DTransform, value: float, mr_head: sitk.Image
) -> float:
    """See `Registration`; `value` is the metric at `place`."""
    across = np.array(mr_head.GetDirection()).reshape(3, 3)[:, 0]
    in_mr = _reflection(_centre(mr_head), across)
    ct = levels[0].ct
    middle = ct.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in ct.GetSize()])
    in_ct = _reflection(np.array(middle), np.array(ct.GetDirection()).reshape(3, 3)[:, 0])
    # Two reflections make a rigid transform again: the mirrored CT put where the head's other half was.
    mirrored_place = sitk.CompositeTransform([in_ct, place, in_mr])
    mirrored = tuple(replace(level, ct=_flip(level.ct)) for level in levels)
    start = _as_euler(mirrored_place, _centre(mr_head))
    _, beside = _descend((mirrored[0], mirrored[1]), start, seed=1)
    return value / beside if beside < 0 else float("inf")


def _reflection(point: np.ndarray, normal: np.ndarray) -> sitk.AffineTransform:
    """About the plane through a point, across a unit normal."""
    matrix = np.eye(3) - 2 * np.outer(normal, normal)
    return sitk.AffineTransform(matrix.ravel().tolist(), (point - matrix @ point).tolist())


def _flip(image: sitk.Image) -> sitk.Image:
    """The voxels in reverse order along the first axis, the header as it was."""
    return to_image(to_array(image)[::-1], image)


def mean_distance_mm(first: sitk.Transform, second: sitk.Transform, head: sitk.Image) -> float:
    """Mean distance between where two transforms put the points of a head."""
    voxels = np.argwhere(to_array(head)[::8, ::8, ::8]) * 8.0
    points = [head.TransformContinuousIndexToPhysicalPoint(voxel.tolist()) for voxel in voxels]
    shifts = [np.subtract(first.TransformPoint(p), second.TransformPoint(p)) for p in points]
    return float(np.linalg.norm(shifts, axis=1).mean()) if shifts else float("nan")


def _levels(mr: sitk.Image, ct: sitk.Image, mr_head: sitk.Image) -> tuple[_Level, _Level]:
    """The pair at the coarse and at the fine resolution."""
    near = sitk.BinaryDilate(mr_head, [SURROUND_VOXELS] * 3, sitk.sitkBall)
    fine_mr = _flatten(resample_isotropic(mr - background(mr), FINE_MM))
    fine_ct = resample_isotropic(sitk.Clamp(ct, sitk.sitkFloat32, *HU_RANGE), FINE_MM)
    coarse_mr, coarse_ct = (resample_isotropic(image, COARSE_MM) for image in (fine_mr, fine_ct))

    def level(mr_at: sitk.Image, ct_at: sitk.Image, samples: int) -> _Level:
        mask = sitk.Resample(near, mr_at, sitk.Transform(), sitk.sitkNearestNeighbor, 0)
        return _Level(mr=mr_at, ct=ct_at, near_head=mask, samples=samples)

    return level(coarse_mr, coarse_ct, COARSE_SAMPLES), level(fine_mr, fine_ct, FINE_SAMPLES)


def _flatten(mr: sitk.Image) -> sitk.Image:
    """Square root of intensities above 0, in 0..1: dark tissues, the scalp in T2w, get bins of their own."""
    values = to_array(mr)
    top = max(float(np.percentile(values, 99.5)), float(np.finfo(np.float32).tiny))
    return to_image(np.sqrt(np.clip(values, 0, top) / top), mr)


def _starts(
    mr_head: sitk.Image, ct_head: sitk.Image, hints: tuple[sitk.Transform, ...]
) -> list[sitk.Euler3DTransform]:
    """List where to look first: the headers' word, heads put top on top, centre on centre; nodding or not."""
    centre = _centre(mr_head)
    anchors = [(centre, centre), (_top(mr_head), _top(ct_head)), (centre, _centre(ct_head))]
    starts = []
    for (here, there), tilt in product(anchors, START_TILTS_DEG):
        start = sitk.Euler3DTransform(centre.tolist(), np.deg2rad(tilt), 0.0, 0.0)
        start.SetTranslation((there - np.array(start.TransformPoint(here.tolist()))).tolist())
        starts.append(start)
    return [*starts, *(_as_euler(hint, centre) for hint in hints)]


def _centre(head: sitk.Image) -> np.ndarray:
    """Centre of gravity of a mask in world coordinates."""
    voxel = np.argwhere(to_array(head)).mean(axis=0)
    return np.array(head.TransformContinuousIndexToPhysicalPoint(voxel.tolist()))


def _top(head: sitk.Image) -> np.ndarray:
    """Topmost height of a mask, in the middle of its bounding box, in world coordinates."""
    voxels = np.argwhere(to_array(head))
    middle = (voxels.min(axis=0) + voxels.max(axis=0)) / 2
    middle[2] = voxels[:, 2].max()
    return np.array(head.TransformContinuousIndexToPhysicalPoint(middle.tolist()))


def _as_euler(transform: sitk.Transform, centre: np.ndarray) -> sitk.Euler3DTransform:
    """A rigid transform of any make, as Euler angles about `centre`."""
    origin = np.array(transform.TransformPoint((0.0, 0.0, 0.0)))
    columns = [np.array(transform.TransformPoint(axis)) - origin for axis in np.eye(3).tolist()]
    euler = sitk.Euler3DTransform()
    euler.SetCenter(centre.tolist())
    euler.SetMatrix(np.stack(columns, axis=1).ravel().tolist(), 1e-6)
    euler.SetTranslation((np.array(transform.TransformPoint(centre.tolist())) - centre).tolist())
    return euler


def _shifted(start: sitk.Euler3DTransform) -> sitk.Euler3DTransform:
    """Another start not far from the given one."""
    moved = sitk.Euler3DTransform(start)
    moved.SetRotation(*(np.array(start.GetParameters()[:3]) + np.deg2rad(RESTART_TURN_DEG)).tolist())
    moved.SetTranslation((np.array(start.GetTranslation()) + RESTART_SHIFT_MM).tolist())
    return moved


def _method(level: _Level, seed: int) -> sitk.ImageRegistrationMethod:
    """Mutual information on random points near the head; only one thread gives the same sums every time."""
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(BINS)
    method.SetMetricFixedMask(level.near_head)
    method.SetMetricSamplingStrategy(method.RANDOM)
    share = level.samples / max(1, int(to_array(level.near_head).sum()))
    method.SetMetricSamplingPercentage(min(1.0, share), seed)
    method.SetInterpolator(sitk.sitkLinear)
    method.MetricUseFixedImageGradientFilterOff()
    method.MetricUseMovingImageGradientFilterOff()
    return method


def _evaluate(level: _Level, start: sitk.Euler3DTransform) -> float:
    """Negative mutual information at a start; infinite where the scans hardly meet."""
    method = _method(level, seed=1)
    method.SetInitialTransform(start)
    try:
        return method.MetricEvaluate(level.mr, level.ct)
    except RuntimeError:
        return float("inf")


def _optimise(
    level: _Level, start: sitk.Euler3DTransform, *, step_mm: float, smallest_mm: float, seed: int
) -> tuple[sitk.Euler3DTransform, float]:
    """Go downhill from a start until steps are small: the transform and the metric there."""
    method = _method(level, seed)
    method.SetOptimizerAsRegularStepGradientDescent(
        step_mm, smallest_mm, 100, relaxationFactor=0.7, gradientMagnitudeTolerance=1e-6
    )
    method.SetOptimizerScalesFromPhysicalShift()
    result = sitk.Euler3DTransform(start)
    method.SetInitialTransform(result, inPlace=True)
    try:
        method.Execute(level.mr, level.ct)
    except RuntimeError:
        return start, float("inf")
    return result, method.GetMetricValue()
