"""A scan is changed by the amount that is stated, in that way and no other, and each time alike."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from t1t2core.cohort.scan import read_scan
from t1t2core.evaluation.perturbations import PERTURBATIONS, perturb
from t1t2core.preparation.anatomy import Anatomy, mr_anatomy
from t1t2core.preparation.grid import extent_mm, to_array, to_image, within
from t1t2core.preparation.head import HEAD_SPACING_MM, mr_head

LEVELS = [(kind, level) for kind, one in PERTURBATIONS.items() for level in range(1, len(one.values) + 1)]
AMOUNTS = {kind: one.values for kind, one in PERTURBATIONS.items()}
VOXEL_MM = (2.0, 2.0, 2.5)


@pytest.fixture(scope="module")
def mr(tiny_heads: Path) -> Anatomy:
    """A real shape of head, at voxels so fine that every change applies."""
    scan = read_scan(sorted(tiny_heads.glob("sub-*/anat/*_T2w.nii.gz"))[0])
    size = [
        round(n * own / new) for n, own, new in zip(scan.GetSize(), scan.GetSpacing(), VOXEL_MM, strict=True)
    ]
    fine = sitk.Resample(
        scan, size, sitk.Transform(), sitk.sitkLinear, scan.GetOrigin(), VOXEL_MM, scan.GetDirection()
    )
    return mr_anatomy(fine)


def changed(mr: Anatomy, kind: str, level: int, *, seed: int = 0, patient: str = "sub-01") -> sitk.Image:
    scan = perturb(mr, kind, level, seed=seed, patient=patient)
    assert scan is not None
    return scan


@pytest.mark.parametrize("kind", PERTURBATIONS)
def test_level_0_is_the_scan_itself(mr: Anatomy, kind: str) -> None:
    assert perturb(mr, kind, 0, seed=0, patient="sub-01") is mr.scan


@pytest.mark.parametrize(("kind", "level"), LEVELS)
def test_a_change_is_the_same_each_time(mr: Anatomy, kind: str, level: int) -> None:
    first, second = (changed(mr, kind, level) for _ in range(2))
    assert first.GetPixelID() == sitk.sitkFloat32
    assert np.array_equal(to_array(first), to_array(second))
    same_voxels = first.GetSize() == mr.scan.GetSize()
    assert not (same_voxels and np.array_equal(to_array(first), to_array(mr.scan)))


@pytest.mark.parametrize("kind", ["bias_field", "noise"])
def test_what_is_random_differs_between_seeds_patients_and_levels(mr: Anatomy, kind: str) -> None:
    scans = [
        changed(mr, kind, 1),
        changed(mr, kind, 1, seed=1),
        changed(mr, kind, 1, patient="sub-02"),
        changed(mr, kind, 2),
    ]
    # Whatever their amount: as patterns they are hardly alike.
    patterns = [(to_array(scan) - to_array(mr.scan)).ravel() for scan in scans]
    for other in patterns[1:]:
        assert np.corrcoef(patterns[0], other)[0, 1] < 0.9


@pytest.mark.parametrize("kind", ["gamma_above_1", "gamma_below_1"])
def test_a_gamma_keeps_the_order_of_intensities_and_their_range(mr: Anatomy, kind: str) -> None:
    before = to_array(mr.scan).astype(np.float64).ravel()
    for level, gamma in enumerate(AMOUNTS[kind], start=1):
        after = to_array(changed(mr, kind, level)).astype(np.float64).ravel()
        assert np.all(np.diff(after[np.argsort(before)]) >= 0)
        assert (after.min(), after.max()) == pytest.approx((before.min(), before.max()), rel=1e-5, abs=1e-3)
        middle = (before.min() + before.max()) / 2
        near = np.abs(before - middle) < 0.01 * before.max()
        share = (after[near].mean() - before.min()) / (before.max() - before.min())
        assert share == pytest.approx(0.5**gamma, abs=0.02)


@pytest.mark.parametrize("level", [1, 2, 3])
def test_a_bias_field_reaches_its_percent_in_the_head_and_is_smooth(mr: Anatomy, level: int) -> None:
    before, after = to_array(mr.scan), to_array(changed(mr, "bias_field", level))
    head = within(mr.head, mr.scan) & (before > 0.05 * before.max())
    ratio = after[head] / before[head]
    percent = AMOUNTS["bias_field"][level - 1] / 100
    assert (ratio.min(), ratio.max()) == pytest.approx((1 - percent, 1 + percent), abs=0.2 * percent)
    field = np.where(head, after / np.maximum(before, 1e-6), np.nan)
    steps = np.nanmax(np.abs(np.diff(field, axis=0)))
    assert steps < percent / 4


@pytest.mark.parametrize("level", [1, 2, 3])
def test_noise_has_the_stated_deviation_and_is_rician(level: int) -> None:
    values = np.zeros((60, 60, 60), np.float32)
    values[:, :, 20:] = 200.0
    values[:, :, 40:] = 1000.0
    image = to_image(values, sitk.Image([60, 60, 60], sitk.sitkFloat32))
    mr = Anatomy(scan=image, head=mr_head(image), measured=image)
    noisy = to_array(changed(mr, "noise", level))
    deviation = AMOUNTS["noise"][level - 1] / 100 * 1000
    assert noisy[:, :, 40:].std() == pytest.approx(deviation, rel=0.02)
    assert noisy[:, :, 40:].mean() == pytest.approx(np.hypot(1000, deviation / np.sqrt(2)), rel=0.01)
    # Of nothing but noise the magnitude has the mean of a Rayleigh distribution.
    assert noisy[:, :, :20].mean() == pytest.approx(deviation * np.sqrt(np.pi / 2), rel=0.02)


@pytest.mark.parametrize("level", [1, 2, 3])
def test_resolution_changes_along_the_stated_axes_and_the_field_of_view_stays(
    mr: Anatomy, level: int
) -> None:
    thick, coarse = changed(mr, "slice_thickness", level), changed(mr, "voxel_in_plane", level)
    own = mr.scan.GetSpacing()
    assert thick.GetSpacing() == (own[0], own[1], AMOUNTS["slice_thickness"][level - 1])
    assert coarse.GetSpacing() == (*[AMOUNTS["voxel_in_plane"][level - 1]] * 2, own[2])
    for scan in (thick, coarse):
        fields = [np.multiply(one.GetSize(), one.GetSpacing()) for one in (scan, mr.scan)]
        assert np.all(np.abs(fields[0] - fields[1]) <= np.array(scan.GetSpacing()) / 2 + 1e-6)


@pytest.mark.parametrize("kind", ["slice_thickness", "voxel_in_plane"])
def test_detail_that_larger_voxels_cannot_carry_is_blurred_not_aliased(kind: str) -> None:
    axis = 2 if kind == "slice_thickness" else 0
    stripes = np.indices((60, 60, 60))[axis] // 2 % 2 * 1000.0
    image = to_image(stripes.astype(np.float32), sitk.Image([60, 60, 60], sitk.sitkFloat32))
    mr = Anatomy(scan=image, head=mr_head(image), measured=image)
    inner = np.moveaxis(to_array(changed(mr, kind, 3)), axis, 0)[2:-2]
    assert inner.mean() == pytest.approx(500, abs=20)
    assert inner.std() < 0.1 * stripes.std()


@pytest.mark.parametrize("level", [1, 2, 3])
def test_a_cut_field_of_view_has_fewer_slices_and_the_others_as_they_were(mr: Anatomy, level: int) -> None:
    above, below = changed(mr, "cut_above", level), changed(mr, "cut_below", level)
    slices, mm = mr.scan.GetSize()[2], mr.scan.GetSpacing()[2]
    low, high = extent_mm(mr.head, 2)
    kept_above = round((high - AMOUNTS["cut_above"][level - 1]) / mm)
    lost_below = round((low + AMOUNTS["cut_below"][level - 1]) / mm)
    assert above.GetSize()[2] == kept_above < slices
    assert below.GetSize()[2] == slices - lost_below < slices
    assert np.array_equal(to_array(above), to_array(mr.scan)[:, :, :kept_above])
    assert np.array_equal(to_array(below), to_array(mr.scan)[:, :, lost_below:])
    # What is left stays where it was in the world.
    assert below.GetOrigin() == pytest.approx(mr.scan.TransformIndexToPhysicalPoint((0, 0, lost_below)))


def test_a_cut_in_plane_takes_both_sides(mr: Anatomy) -> None:
    cut = changed(mr, "cut_in_plane", 2)
    for axis in (0, 1):
        low, high = extent_mm(mr.head, axis)
        left = cut.GetSize()[axis] * cut.GetSpacing()[axis]
        assert left == pytest.approx(high - low - 20, abs=HEAD_SPACING_MM)
    assert cut.GetSize()[2] == mr.scan.GetSize()[2]


def test_what_does_not_apply_to_a_scan_is_not_done(mr: Anatomy) -> None:
    """Slices that are thicker already, and a scan of which next to nothing would be left."""
    thick = changed(mr, "slice_thickness", 3)
    coarse = Anatomy(scan=thick, head=mr.head, measured=thick)
    assert perturb(coarse, "slice_thickness", 3, seed=0, patient="sub-01") is None
    assert perturb(coarse, "slice_thickness", 1, seed=0, patient="sub-01") is None
    slab = mr.scan[:, :, -40:]
    small = Anatomy(scan=slab, head=mr_head(slab), measured=slab)
    assert perturb(small, "cut_below", 3, seed=0, patient="sub-01") is None
