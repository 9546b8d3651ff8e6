"""Surface distances agree with MONAI's own functions, with a plain count of voxels, and with known shifts."""

import math

import numpy as np
import pytest
import torch
from monai.metrics import (
    compute_average_surface_distance,
    compute_hausdorff_distance,
    compute_surface_dice,
)
from scipy import ndimage
from scipy.spatial.distance import cdist

from t1t2core.evaluation.surface import (
    DISTANCES,
    SURFACE_DICE,
    SURFACE_METRICS,
    TOLERANCES_MM,
    surface_distances,
)
from tests.builders.heads import IGNORED, make_scan

SPACINGS = [(1.0, 1.0, 1.0), (0.86, 0.86, 3.0), (2.75, 1.5, 0.7)]


def moved_head(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A head's labels, moved by a few voxels and with a hundred voxels wrong, and the labels."""
    truth = make_scan(seed, shape=(18, 20, 16)).labels
    generator = np.random.default_rng(seed)
    prediction = np.roll(truth, generator.integers(-2, 3, 3), axis=(0, 1, 2))
    wrong = generator.integers(0, truth.shape, (100, 3))
    prediction[tuple(wrong.T)] = generator.integers(0, 3, 100)
    return prediction, truth


def one_hot(labels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.stack([labels == label for label in (0, 1, 2)])[None])


def cubes(shift: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """A cube of bone in soft tissue, and the same moved by so many voxels."""
    truth = np.ones((20, 20, 20), np.uint8)
    truth[5:12, 5:12, 5:12] = 2
    return np.roll(truth, shift, axis=(0, 1, 2)), truth


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("seed", range(3))
def test_inside_a_volume_they_are_monai_s(seed: int, spacing: tuple[float, float, float]):
    """Which takes the volume's own faces for surface: so there must be none of these classes."""
    prediction, truth = (np.pad(labels, 2) for labels in moved_head(seed))
    found = surface_distances(prediction, truth, spacing)
    pair = one_hot(prediction), one_hot(truth)
    far = compute_hausdorff_distance(*pair, True, percentile=95, spacing=list(spacing))[0]
    mean = compute_average_surface_distance(*pair, True, symmetric=True, spacing=list(spacing))[0]
    near = [
        compute_surface_dice(*pair, [mm] * 3, include_background=True, spacing=list(spacing))[0]
        for mm in TOLERANCES_MM
    ]
    for label, name in enumerate(("air", "soft_tissue", "bone")):
        if label == 0:
            continue
        expected = [float(values[label]) for values in (far, mean, *near)]
        assert [found[name][metric] for metric in SURFACE_METRICS] == pytest.approx(expected, rel=1e-5)


def surface_by_counting(labels: np.ndarray, label: int, known: np.ndarray) -> np.ndarray:
    """Places of the voxels of a class that have a known neighbour of another, one voxel after the other."""
    places = []
    for place in np.argwhere((labels == label) & known):
        for step in np.concatenate([np.eye(3, dtype=int), -np.eye(3, dtype=int)]):
            beside = tuple(place + step)
            inside = all(0 <= at < side for at, side in zip(beside, labels.shape, strict=True))
            if inside and known[beside] and labels[beside] != label:
                places.append(place)
                break
    return np.array(places)


@pytest.mark.parametrize("seed", range(3))
def test_they_are_those_of_a_plain_count_that_knows_no_faces_and_nothing_unknown(seed: int):
    prediction, truth = moved_head(seed)
    truth[:, :, :3] = IGNORED
    known, spacing = truth != IGNORED, np.array((0.86, 0.86, 3.0))
    found = surface_distances(prediction, truth, (0.86, 0.86, 3.0))
    for label, name in enumerate(("air", "soft_tissue", "bone")):
        one, other = (surface_by_counting(labels, label, known) * spacing for labels in (prediction, truth))
        apart = cdist(one, other)
        ways = apart.min(axis=1), apart.min(axis=0)
        every = np.concatenate(ways)
        far = max(np.percentile(way, 95) for way in ways)
        expected = [far, every.mean(), *(np.mean(every <= mm) for mm in TOLERANCES_MM)]
        assert [found[name][metric] for metric in SURFACE_METRICS] == pytest.approx(expected, rel=1e-6)


def test_a_face_of_the_volume_is_no_surface():
    """Air that surrounds a head on all sides has the head's surface alone."""
    truth = np.zeros((12, 12, 12), np.uint8)
    truth[4:8, 4:8, 4:8] = 1
    prediction = np.zeros_like(truth)
    prediction[2:10, 2:10, 2:10] = 1
    found = surface_distances(prediction, truth, (1.0, 1.0, 1.0))["air"]
    assert found["nsd_1_mm"] == 0
    assert 0.8 < found["nsd_3_mm"] < 1, "corners are farther away"
    assert 2 <= found["mean_surface_distance_mm"] < 2.5, "and not 0 in part, for faces that always agree"


def test_the_mean_is_over_the_surface_voxels_of_both():
    prediction, truth = cubes((2, 0, 0))
    found, there = prediction == 2, truth == 2
    rims = [mask & ~ndimage.binary_erosion(mask) for mask in (found, there)]
    spacing = (0.86, 1.5, 3.0)
    distances = [
        ndimage.distance_transform_edt(~other, sampling=spacing)[rim] for rim, other in (rims, rims[::-1])
    ]
    mean = surface_distances(prediction, truth, spacing)["bone"]["mean_surface_distance_mm"]
    assert mean == pytest.approx(np.concatenate(distances).mean(), rel=1e-5)


@pytest.mark.parametrize(("axis", "voxel_mm"), [*enumerate((0.86, 1.5, 3.0))])
def test_a_cube_moved_by_two_voxels_is_two_voxels_of_that_axis_away(axis: int, voxel_mm: float):
    shift = [0, 0, 0]
    shift[axis] = 2
    prediction, truth = cubes((shift[0], shift[1], shift[2]))
    found = surface_distances(prediction, truth, (0.86, 1.5, 3.0))["bone"]
    assert found["hausdorff_95_mm"] == pytest.approx(2 * voxel_mm)
    assert 0 < found["mean_surface_distance_mm"] < 2 * voxel_mm


def test_equal_labels_are_0_mm_apart():
    truth = make_scan(1).labels
    for metrics in surface_distances(truth, truth, (2.0, 2.5, 3.0)).values():
        assert list(metrics.values()) == [0.0, 0.0, 1.0, 1.0, 1.0]


@pytest.mark.parametrize("swap", [False, True])
def test_a_class_absent_in_one_has_no_distance_and_no_common_surface(swap: bool):
    truth = cubes((0, 0, 0))[1]
    without = np.ones_like(truth)
    prediction, truth = (truth, without) if swap else (without, truth)
    found = surface_distances(prediction, truth, (1.0, 1.0, 1.0))
    for name in ("bone", "soft_tissue"):  # without bone soft tissue has no surface in this volume
        assert all(math.isnan(found[name][metric]) for metric in DISTANCES)
        assert [found[name][metric] for metric in SURFACE_DICE] == [0.0, 0.0, 0.0]
    assert all(math.isnan(value) for value in found["air"].values()), "it is nowhere"


def test_what_is_labelled_where_nothing_is_known_does_not_count():
    prediction, truth = cubes((1, 0, 0))
    truth[:, :, 15:] = IGNORED
    expected = surface_distances(prediction, truth, (1.0, 1.0, 1.0))
    prediction[:, :, 16:] = 2
    assert surface_distances(prediction, truth, (1.0, 1.0, 1.0)) == expected
