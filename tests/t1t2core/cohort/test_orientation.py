"""A scan lies where its header says, by the form that counts in the field; what was assumed is told."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from t1t2core.cohort.orientation import furthest_mm
from t1t2core.cohort.scan import read_scan, scan_defects, scan_notes
from t1t2core.preparation.grid import affine
from tests.builders.niftis import SHAPE, mr_voxels, oblique, patch, save

QFORM_CODE_AT, SFORM_CODE_AT, QUATERN_B_AT, SROW_AT, UNITS_AT = 252, 254, 256, 280, 123
"""Places in a NIfTI-1 header, bytes."""


def save_forms(
    path: Path, sform: np.ndarray | None, qform: np.ndarray | None, codes: tuple[int, int] = (1, 1)
) -> Path:
    """A scan with these two forms; None leaves a form out."""
    image = nib.Nifti1Image(mr_voxels(), None)
    image.header.set_qform(qform, codes[1] if qform is not None else 0)
    image.header.set_sform(sform, codes[0] if sform is not None else 0)
    if qform is None and sform is not None:
        image.header.set_zooms(np.linalg.norm(sform[:3, :3], axis=0))
    nib.save(image, path)
    return path


def distance_mm(path: Path, expected: np.ndarray) -> float:
    """Largest distance of a voxel of the scan as it is read from where it should be."""
    return furthest_mm(affine(read_scan(path)), expected, np.array(SHAPE))


@pytest.mark.parametrize("mirror", [1, -1])
@pytest.mark.parametrize("coded", ["both", "sform", "qform"])
def test_one_form_or_two_that_agree_put_the_scan_where_other_tools_have_it(
    tmp_path: Path, coded: str, mirror: int
) -> None:
    place = oblique(mirror)
    path = save_forms(
        tmp_path / "t1.nii.gz", place if coded != "qform" else None, place if coded != "sform" else None
    )
    assert distance_mm(path, nib.load(path).affine) < 1e-3
    assert distance_mm(path, place) < 1e-3
    itk = sitk.ReadImage(path)
    assert furthest_mm(affine(itk), place, np.array(SHAPE)) < 1e-3
    assert (scan_notes(path), scan_defects(path, "t1w")) == ([], [])


def test_where_sform_and_qform_differ_the_sform_counts_and_that_is_said(tmp_path: Path) -> None:
    moved = oblique()
    moved[:3, 3] += (3, 4, 0)
    path = save_forms(tmp_path / "t1.nii.gz", moved, oblique(), codes=(2, 1))
    assert distance_mm(path, moved) < 1e-3
    assert scan_notes(path) == ["its sform and qform differ by up to 5.0 mm; the sform counts"]
    only_rounded = oblique()
    only_rounded[:3, 3] += 0.05
    assert scan_notes(save_forms(tmp_path / "t1.nii.gz", only_rounded, oblique())) == []


def test_a_form_that_is_switched_off_may_hold_anything(tmp_path: Path) -> None:
    path = save_forms(tmp_path / "q.nii", oblique(), oblique())
    patch(path, QFORM_CODE_AT, np.array([0], np.int16))
    patch(path, QUATERN_B_AT, np.full(6, np.nan, np.float32))
    assert (scan_defects(path, "t1w"), scan_notes(path)) == ([], [])
    assert distance_mm(path, oblique()) < 1e-3
    path = save_forms(tmp_path / "s.nii", oblique(), oblique())
    patch(path, SFORM_CODE_AT, np.array([0], np.int16))
    patch(path, SROW_AT, np.full(12, np.inf, np.float32))
    assert (scan_defects(path, "t1w"), scan_notes(path)) == ([], [])
    assert distance_mm(path, oblique()) < 1e-3


def test_with_a_scaled_sform_its_own_voxel_sizes_count(tmp_path: Path) -> None:
    scaled = oblique() @ np.diag([1.1, 0.9, 1, 1])
    path = save_forms(tmp_path / "t1.nii", scaled, None)
    patch(path, 80, np.array([4, 4.2, 5], np.float32))
    assert distance_mm(path, scaled) < 1e-3
    np.testing.assert_allclose(read_scan(path).GetSpacing(), (4.4, 3.78, 5), atol=1e-5)
    assert scan_notes(path) == [
        "its sform gives voxels of 4.4 x 3.78 x 5 mm, its pixdim 4 x 4.2 x 5 mm; the sform counts"
    ]
    patch(path, 80, np.array([4, 4.2, 50], np.float32))
    assert "4 x 4.2 x 50 mm: damaged, or with wrong units" in scan_defects(path, "t1w")[0]


def test_axes_out_of_square_by_rounding_are_laid_to_the_nearest_at_right_angles(tmp_path: Path) -> None:
    noisy = oblique()
    noisy[:3, :3] += np.random.default_rng(1).normal(0, 1e-3, (3, 3))
    path = save_forms(tmp_path / "t1.nii.gz", noisy, None)
    assert scan_defects(path, "t1w") == []
    assert distance_mm(path, noisy) < 0.1
    axes = np.reshape(read_scan(path).GetDirection(), (3, 3))
    np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-9)
    image = sitk.ReadImage(save(tmp_path / "straight.nii", mr_voxels()))
    image.SetDirection((1, 5e-4, 0, 0, 1, 0, 0, 0, 1))
    sitk.WriteImage(image, tmp_path / "t1.mha")
    axes = np.reshape(read_scan(tmp_path / "t1.mha").GetDirection(), (3, 3))
    np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-9)
    assert distance_mm(tmp_path / "t1.mha", affine(image)) < 0.1


def test_axes_that_are_sheared_are_refused_with_what_to_do(tmp_path: Path) -> None:
    sheared = np.diag([4.0, 4, 5, 1])
    sheared[0, 1] = 0.5
    (defect,) = scan_defects(save_forms(tmp_path / "one.nii", sheared, None), "t1w")
    assert "by its sform, its axes are not at right angles but at 82.9 degrees" in defect
    assert defect.endswith("resample it onto a grid with axes at right angles")
    (defect,) = scan_defects(save_forms(tmp_path / "two.nii", sheared, np.diag([4.0, 4, 5, 1])), "t1w")
    assert defect.endswith("or, if its qform is right, set sform_code to 0")
    image = sitk.ReadImage(save(tmp_path / "straight.nii", mr_voxels()))
    image.SetDirection((1, 0.1, 0, 0, 1, 0, 0, 0, 1))
    for name in ("t1.mha", "t1.nrrd"):
        sitk.WriteImage(image, tmp_path / name)
        assert "at 84.3 degrees" in scan_defects(tmp_path / name, "t1w")[0]


def test_where_no_form_says_which_side_is_left_the_fields_rule_is_assumed_and_told(tmp_path: Path) -> None:
    path = save_forms(tmp_path / "none.nii", None, None)
    patch(path, 80, np.array([4, 4, 5], np.float32))
    pair = nib.analyze.AnalyzeImage(mr_voxels(), np.diag([-4.0, 4, 5, 1]))
    nib.save(pair, tmp_path / "old.img")
    for scan in (path, tmp_path / "old.img", tmp_path / "old.hdr"):
        assert scan_defects(scan, "t1w") == []
        assert np.sign(np.diag(affine(read_scan(scan)))).tolist() == [-1, 1, 1, 1]
        assert distance_mm(scan, nib.load(scan).affine) < 1e-3
        (note,) = scan_notes(scan)
        assert "does not say which side is left" in note
        assert "x is taken to run to the left and y to the front, as SPM, FSL and nibabel do" in note


def test_an_sform_of_zeros_and_a_quaternion_that_is_no_rotation_are_refused(tmp_path: Path) -> None:
    path = save_forms(tmp_path / "s.nii", oblique(), None)
    assert len(scan_defects(patch(path, SROW_AT, np.zeros(12, np.float32)), "t1w")) == 1
    path = save_forms(tmp_path / "q.nii", None, oblique())
    patch(path, QUATERN_B_AT, np.array([0.9, 0.9, 0], np.float32))
    assert "no rotation" in scan_defects(path, "t1w")[0]


def test_a_quaternion_of_half_a_turn_is_read_whatever_its_last_digit(tmp_path: Path) -> None:
    half = np.diag([-4.0, -4, 5, 1])
    path = save_forms(tmp_path / "t1.nii", None, half)
    patch(path, QUATERN_B_AT, np.array([0, 0, 1 + 1e-5], np.float32))
    assert distance_mm(path, half) < 1e-3


def test_lengths_in_metres_are_lengths(tmp_path: Path) -> None:
    place = oblique()
    place[:3] *= 1e-3
    path = save_forms(tmp_path / "t1.nii", place, place)
    patch(path, UNITS_AT, np.array([1], np.uint8))
    assert distance_mm(path, oblique()) < 1e-2
    assert scan_defects(path, "t1w") == []
