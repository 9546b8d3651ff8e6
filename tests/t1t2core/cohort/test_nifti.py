"""NIfTI and Analyze files are read whole, whatever their version, compression and endings."""

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from t1t2core.cohort.scan import read_scan, scan_defects, scan_notes
from t1t2core.preparation.grid import affine, to_array
from tests.builders.niftis import mr_voxels, oblique, save


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image, nib.Nifti1Pair, nib.Nifti2Pair])
def test_every_version_and_pair_gives_the_same_scan(tmp_path: Path, kind: type[nib.Nifti1Pair]) -> None:
    image = kind(mr_voxels(), oblique())
    image.header.set_slope_inter(2, -1024)
    names = ("t1.nii", "t1.nii.gz") if issubclass(kind, nib.Nifti1Image) else ("t1.img", "t1.img.gz")
    for number, name in enumerate(names):
        (tmp_path / str(number)).mkdir()
        nib.save(image, tmp_path / str(number) / name)
        read = read_scan(tmp_path / str(number) / name)
        np.testing.assert_array_equal(to_array(read), mr_voxels() * 2.0 - 1024)
        np.testing.assert_allclose(affine(read), oblique(), atol=1e-4)


@pytest.mark.parametrize("order", ["<", ">"])
def test_either_byte_order_is_read(tmp_path: Path, order: str) -> None:
    header = nib.Nifti1Header(endianness=order)
    header.set_data_dtype(np.int16)
    nib.save(nib.Nifti1Image(mr_voxels(), oblique(), header), tmp_path / "t1.nii")
    np.testing.assert_array_equal(to_array(read_scan(tmp_path / "t1.nii")), mr_voxels())


def test_what_follows_the_end_of_gzip_is_left_out_as_gunzip_does(tmp_path: Path) -> None:
    path = save(tmp_path / "t1.nii.gz", mr_voxels())
    whole = path.read_bytes()
    content = gzip.decompress(whole)
    members = b"".join(gzip.compress(content[at : at + 7000]) for at in range(0, len(content), 7000))
    for stored in (whole + b"\r\nend", whole + b"\0" * 600, whole + b"x", members, members + b"\x1f"):
        path.write_bytes(stored)
        np.testing.assert_array_equal(to_array(read_scan(path)), mr_voxels())


@pytest.mark.parametrize("length", [2**16 - 1, 2**16, 2**16 + 1])
def test_a_member_of_gzip_may_begin_anywhere(tmp_path: Path, length: int) -> None:
    content = save(tmp_path / "t1.nii", mr_voxels()).read_bytes()
    first = gzip.compress(content[:9000])
    # An extra field after the ten bytes of a member's header brings it to the length wanted.
    extra = bytes(length - len(first) - 2)
    padded = first[:3] + b"\x04" + first[4:10] + len(extra).to_bytes(2, "little") + extra + first[10:]
    assert len(padded) == length
    (tmp_path / "two.nii.gz").write_bytes(padded + gzip.compress(content[9000:]))
    np.testing.assert_array_equal(to_array(read_scan(tmp_path / "two.nii.gz")), mr_voxels())


def test_an_ending_that_is_wrong_about_gzip_does_no_harm(tmp_path: Path) -> None:
    plain = save(tmp_path / "a.nii", mr_voxels()).rename(tmp_path / "plain.nii.gz")
    packed = save(tmp_path / "b.nii.gz", mr_voxels()).rename(tmp_path / "packed.nii")
    for path in (plain, packed):
        np.testing.assert_array_equal(to_array(read_scan(path)), mr_voxels())
        assert scan_notes(path) == []
    cut = tmp_path / "cut.nii"
    cut.write_bytes(packed.read_bytes()[:5000])
    assert "cut short" in scan_defects(cut, "t1w")[0]


def test_the_other_file_of_a_pair_is_named_where_it_is_missing(tmp_path: Path) -> None:
    nib.save(nib.Nifti1Pair(mr_voxels(), oblique()), tmp_path / "t1.img")
    (tmp_path / "t1.img").rename(tmp_path / "T1.IMG")
    (tmp_path / "t1.hdr").rename(tmp_path / "T1.HDR")
    assert scan_defects(tmp_path / "T1.HDR", "t1w") == []
    (tmp_path / "T1.IMG").rename(tmp_path / "elsewhere.img")
    (defect,) = scan_defects(tmp_path / "T1.HDR", "t1w")
    assert defect == "its voxels should be in T1.img, which is not there: copy that file too"
    (defect,) = scan_defects(tmp_path / "elsewhere.img", "t1w")
    assert defect == "its header should be in elsewhere.hdr, which is not there: copy that file too"
    (tmp_path / "T1.img").symlink_to("nowhere")
    assert "T1.img, but that is a link to nothing" in scan_defects(tmp_path / "T1.HDR", "t1w")[0]


def test_half_a_pair_under_the_name_of_a_single_file_is_named(tmp_path: Path) -> None:
    nib.save(nib.Nifti1Pair(mr_voxels(), oblique()), tmp_path / "t1.img")
    (tmp_path / "t1.hdr").rename(tmp_path / "t1.nii")
    (defect,) = scan_defects(tmp_path / "t1.nii", "t1w")
    assert "the header of a NIfTI pair (.hdr, .img): rename it to end with .hdr" in defect
    nib.save(nib.analyze.AnalyzeImage(mr_voxels(), np.eye(4)), tmp_path / "old.img")
    (tmp_path / "old.hdr").rename(tmp_path / "old.nii")
    assert "the header of an Analyze pair" in scan_defects(tmp_path / "old.nii", "t1w")[0]


def test_values_that_are_no_single_number_are_refused(tmp_path: Path) -> None:
    colour = np.zeros(mr_voxels().shape, [("R", "u1"), ("G", "u1"), ("B", "u1")])
    nib.save(nib.Nifti1Image(colour, oblique()), tmp_path / "colour.nii")
    nib.save(nib.Nifti1Image(mr_voxels().astype(np.complex64), oblique()), tmp_path / "phase.nii")
    assert "3 values a voxel" in scan_defects(tmp_path / "colour.nii", "t1w")[0]
    assert "2 values a voxel" in scan_defects(tmp_path / "phase.nii", "t1w")[0]


def test_itk_reads_the_same_values(tmp_path: Path) -> None:
    image = nib.Nifti1Image(mr_voxels().astype(np.float64) / 7, oblique())
    nib.save(image, tmp_path / "t1.nii.gz")
    itk = sitk.ReadImage(tmp_path / "t1.nii.gz", sitk.sitkFloat32)
    np.testing.assert_array_equal(to_array(read_scan(tmp_path / "t1.nii.gz")), to_array(itk))
