"""Surface distances agree with MONAI's own functions and with known shifts."""

import math

import numpy as np
import pytest
import torch
from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance
from scipy import ndimage

from t1t2core.evaluation.surface import SURFACE_METRICS, surface_distances
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
def test_they_are_monai_s(seed: int, spacing: tuple[float, float, float]):
    prediction, truth = moved_head(seed)
    found = surface_distances(prediction, truth, spacing)
    pair = one_hot(prediction), one_hot(truth)
    far = compute_hausdorff_distance(*pair, True, percentile=95, spacing=list(spacing))[0]
    mean = compute_average_surface_distance(*pair, True, symmetric=True, spacing=list(spacing))[0]
    for label, name in enumerate(("air", "soft_tissue", "bone")):
        expected = [float(far[label]), float(mean[label])]
        assert [found[name][metric] for metric in SURFACE_METRICS] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("axis", "voxel_mm"), [*enumerate((0.86, 1.5, 3.0))])
def test_a_cube_moved_by_two_voxels_is_two_voxels_of_that_axis_away(axis: int, voxel_mm: float):
    shift = [0, 0, 0]
    shift[axis] = 2
    prediction, truth = cubes((shift[0], shift[1], shift[2]))
    found = surface_distances(prediction, truth, (0.86, 1.5, 3.0))["bone"]
    assert found["hausdorff_95_mm"] == pytest.approx(2 * voxel_mm)
    assert 0 < found["mean_surface_distance_mm"] < 2 * voxel_mm


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


def test_equal_labels_are_0_mm_apart():
    truth = make_scan(1).labels
    for metrics in surface_distances(truth, truth, (2.0, 2.5, 3.0)).values():
        assert list(metrics.values()) == [0.0, 0.0]


@pytest.mark.parametrize("swap", [False, True])
def test_a_class_absent_in_either_has_no_distance(swap: bool):
    truth = cubes((0, 0, 0))[1]
    without = np.ones_like(truth)
    prediction, truth = (truth, without) if swap else (without, truth)
    found = surface_distances(prediction, truth, (1.0, 1.0, 1.0))
    assert all(math.isnan(value) for value in found["bone"].values())
    assert all(math.isnan(value) for value in found["air"].values())
    assert not any(math.isnan(value) for value in found["soft_tissue"].values())


def test_what_is_labelled_where_nothing_is_known_does_not_count():
    prediction, truth = cubes((1, 0, 0))
    truth[:, :, 15:] = IGNORED
    expected = surface_distances(prediction, truth, (1.0, 1.0, 1.0))
    prediction[:, :, 16:] = 2
    assert surface_distances(prediction, truth, (1.0, 1.0, 1.0)) == expected
