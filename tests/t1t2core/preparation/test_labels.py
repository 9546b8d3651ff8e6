"""Hounsfield units become air, soft tissue and bone."""

import numpy as np
import pytest
import SimpleITK as sitk

from t1t2core.preparation.grid import to_image
from t1t2core.preparation.labels import head_hull, label_from_ct, label_from_map, threshold
from t1t2core.settings import PreparationSettings
from t1t2core.settings.classes import IGNORED
from tests.builders.heads import AIR, BONE, SOFT_TISSUE

STILL = sitk.Transform()


def empty(shape: tuple[int, int, int], voxel_mm: float = 1.0, origin: float = 0.0) -> sitk.Image:
    image = sitk.Image(shape, sitk.sitkFloat32)
    image.SetSpacing((voxel_mm,) * 3)
    image.SetOrigin((origin,) * 3)
    return image


def everywhere(ct: sitk.Image) -> sitk.Image:
    """All of a CT was measured."""
    return to_image(np.ones(ct.GetSize(), bool), ct)


def test_600_and_minus_500_are_soft_tissue():
    hu = np.array([-1000, -500.1, -500, 0, 600, 600.1, 3000])
    found = threshold(hu, PreparationSettings()).tolist()
    assert found == [AIR, AIR, SOFT_TISSUE, SOFT_TISSUE, SOFT_TISSUE, BONE, BONE]


def test_other_thresholds_are_a_setting():
    settings = PreparationSettings(bone_above_hu=300, air_below_hu=-200)
    assert threshold(np.array([-300, 0, 400]), settings).tolist() == [AIR, SOFT_TISSUE, BONE]


@pytest.mark.parametrize(("outside_ct", "label"), [("ignore", IGNORED), ("air", AIR)])
@pytest.mark.parametrize("resampling", ["threshold", "nearest"])
def test_what_the_ct_never_saw(outside_ct: str, label: int, resampling: str):
    settings = PreparationSettings(outside_ct=outside_ct, label_resampling=resampling)
    ct = empty((6, 6, 6))
    labels = label_from_ct(ct, everywhere(ct), STILL, empty((6, 6, 10)), settings)
    assert (labels[:, :, :6] == SOFT_TISSUE).all()
    assert (labels[:, :, 6:] == label).all()


def test_the_transform_leads_from_the_grid_to_the_ct():
    hu = np.zeros((10, 10, 10), np.float32)
    hu[7, 5, 5] = 2000
    shift = sitk.TranslationTransform(3, (3.0, 0.0, 0.0))
    ct = to_image(hu, empty((10, 10, 10)))
    labels = label_from_ct(ct, everywhere(ct), shift, empty((10, 10, 10)), PreparationSettings())
    assert np.argwhere(labels == BONE).tolist() == [[4, 5, 5]]


@pytest.mark.parametrize("resampling", ["threshold", "nearest"])
def test_thin_skull_keeps_its_volume_on_a_coarse_grid(resampling: str):
    """A shell of bone 2 mm thick, on voxels of 3 mm."""
    ct = empty((120, 120, 120))
    radius = np.linalg.norm(np.indices((120, 120, 120)) - 59.5, axis=0)
    skull = (radius > 45) & (radius <= 47)
    image = to_image(np.where(skull, 1500, np.where(radius < 50, 40, -1000)).astype(np.float32), ct)
    coarse = empty((40, 40, 40), 3.0, origin=1.0)
    labels = label_from_ct(
        image, everywhere(image), STILL, coarse, PreparationSettings(label_resampling=resampling)
    )
    assert 27 * (labels == BONE).sum() == pytest.approx(skull.sum(), rel=0.15)


def test_a_label_map_gives_each_voxel_what_most_of_it_has():
    classes = np.zeros((30, 30, 30), np.uint8)
    classes[:, :, 10:] = SOFT_TISSUE
    classes[:, :, 21:] = BONE
    classes[14, 14, 14] = BONE
    given = sitk.Cast(to_image(classes, empty((30, 30, 30))), sitk.sitkUInt8)
    coarse = empty((10, 10, 10), 3.0, origin=1.0)
    majority = label_from_map(given, coarse, PreparationSettings())
    assert majority[5, 5, :].tolist() == [AIR] * 3 + [SOFT_TISSUE] * 4 + [BONE] * 3
    assert (majority[4, 4, 4]) == SOFT_TISSUE
    classes[13, 13, 13] = BONE
    given = sitk.Cast(to_image(classes, empty((30, 30, 30))), sitk.sitkUInt8)
    nearest = label_from_map(given, coarse, PreparationSettings(label_resampling="nearest"))
    assert nearest[4, 4, 4] == BONE


def test_a_label_map_smaller_than_the_grid():
    given = sitk.Image((6, 6, 6), sitk.sitkUInt8) + SOFT_TISSUE
    labels = label_from_map(given, empty((6, 6, 10)), PreparationSettings())
    assert (labels[:, :, :6] == SOFT_TISSUE).all()
    assert (labels[:, :, 6:] == IGNORED).all()


def test_air_in_sinuses_and_ear_canals_is_inside_the_head_and_air_around_it_is_not():
    radius = np.linalg.norm(np.indices((60, 60, 60)) - 29.5, axis=0)
    labels = np.where(radius < 24, SOFT_TISSUE, AIR).astype(np.uint8)
    labels[28:32, 40:46, 28:32] = AIR  # sinus
    labels[0:20, 28:31, 28:31] = AIR  # ear canal, open to the left
    hull = head_hull(labels, (3.0, 3.0, 3.0))
    assert hull[30, 43, 30]
    assert hull[15, 29, 29]
    assert not hull[2, 2, 2]
    assert not hull[:, :, 58].any()
    assert (hull & (radius > 25.5)).sum() == 0


def test_the_hull_of_a_head_cut_by_the_grid_includes_the_nose_s_cavity_at_the_cut():
    radius = np.linalg.norm(np.indices((60, 60, 60)) - 29.5, axis=0)
    labels = np.where(radius < 24, SOFT_TISSUE, AIR).astype(np.uint8)[:, :, 25:]
    labels[26:34, 40:48, :4] = AIR
    assert head_hull(labels, (2.75, 2.75, 3.0))[30, 43, 0]


def test_ignored_voxels_are_in_no_hull():
    labels = np.full((10, 10, 10), SOFT_TISSUE, np.uint8)
    labels[:, :, 0] = IGNORED
    assert not head_hull(labels, (3.0, 3.0, 3.0))[:, :, 0].any()
