"""Labels become attenuation at 511 keV, and are compared with the CT's."""

import numpy as np
import pytest

from t1t2core.evaluation.attenuation import compare_attenuation, linear_attenuation, ring_names

VOXEL_MM = (4.0, 4.0, 4.0)
AIR, SOFT_TISSUE, BONE, IGNORED = 0, 1, 2, 255


def test_the_scaling_is_that_of_water_and_bone_and_has_no_step() -> None:
    assert linear_attenuation(np.array([-1000, 0])) == pytest.approx([0.0, 0.096])
    assert linear_attenuation(np.array([-1024])) == [0.0], "never below 0"
    below, above = linear_attenuation(np.array([47.0, 47.001]))
    assert above == pytest.approx(below, abs=1e-4)
    assert linear_attenuation(np.array([1000.0])) == pytest.approx(0.1491)


@pytest.fixture
def head() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, HU and hull of a cylinder of 160 mm with a shell of bone and a hole of air."""
    x, y, _ = np.meshgrid(*(np.arange(n) * 4.0 - n * 2 + 2 for n in (50, 50, 10)), indexing="ij")
    radius = np.hypot(x, y)
    labels = np.where(radius < 80, SOFT_TISSUE, AIR).astype(np.uint8)
    labels[(radius > 60) & (radius < 70)] = BONE
    labels[radius < 10] = AIR
    hu = np.array([-1000, 40, 1000])[labels].astype(np.int16)
    return labels, hu, radius < 80


def test_labels_that_are_right_have_neither_bias_nor_error(head: tuple[np.ndarray, ...]) -> None:
    labels, hu, hull = head
    found = compare_attenuation(labels, labels, hu, hull, VOXEL_MM)
    for one in found.values():
        assert one.predicted == pytest.approx(one.ct)
        assert one.predicted_error == pytest.approx(0, abs=1e-9)
    assert set(found) == {"head", "air", "soft_tissue", "bone", *ring_names()}
    assert found["head"].voxels == hull.sum()


def test_bone_that_is_missed_is_a_bias_where_the_bone_is(head: tuple[np.ndarray, ...]) -> None:
    labels, hu, hull = head
    without = np.where(labels == BONE, SOFT_TISSUE, labels).astype(np.uint8)
    found = compare_attenuation(without, labels, hu, hull, VOXEL_MM)
    assert found["bone"].predicted / found["bone"].ct == pytest.approx(0.09984 / 0.1491, rel=1e-3)
    assert found["soft_tissue"].predicted == pytest.approx(found["soft_tissue"].ct)
    assert found["60_80_mm"].predicted < found["60_80_mm"].ct
    assert found["20_40_mm"].predicted == pytest.approx(found["20_40_mm"].ct)
    assert found["head"].labels == pytest.approx(found["head"].ct), "of the true classes"
    assert found["head"].predicted_error == pytest.approx(found["head"].ct - found["head"].predicted)


def test_what_is_unknown_or_outside_the_head_does_not_count(head: tuple[np.ndarray, ...]) -> None:
    labels, hu, hull = head
    expected = compare_attenuation(labels[:, :, 1:], labels[:, :, 1:], hu[:, :, 1:], hull[:, :, 1:], VOXEL_MM)
    truth = labels.copy()
    truth[:, :, 0] = IGNORED
    prediction = np.where(hull, labels, BONE).astype(np.uint8)
    assert compare_attenuation(prediction, truth, hu, hull, VOXEL_MM) == expected


def test_a_scan_without_a_head_has_no_voxels() -> None:
    nothing = np.zeros((4, 4, 4), np.uint8)
    found = compare_attenuation(nothing, nothing, nothing.astype(np.int16), nothing > 0, VOXEL_MM)
    assert {one.voxels for one in found.values()} == {0}
