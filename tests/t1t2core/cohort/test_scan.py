"""A user points at files of every kind: scans are read as they are, and each defect is named."""

import gzip
import os
import shutil
import struct
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from t1t2core.cohort.scan import check_scan, read_labels, read_scan, scan_defects
from t1t2core.errors import InputError
from tests.builders.niftis import SHAPE, mr_voxels, patch, save

REAL = Path(__file__).parents[3].parent / "shared/data/real"
SPACING_AT, SLOPE_AT, SIZE_AT, FORM_CODES_AT = 80, 112, 42, 252
"""Places of pixdim[1], scl_slope, dim[1], and qform_code with sform_code in a NIfTI-1 header, bytes."""


def ct_voxels() -> np.ndarray:
    """A skull of 1000 HU around soft tissue, in air."""
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
    radius = np.sqrt(x**2 + y**2 + z**2)
    hu = np.select([radius < 0.8, radius < 0.87], [40, 1000], -1000)
    return (hu + np.random.default_rng(0).normal(0, 10, SHAPE)).astype(np.int16)


def save_series(folder: Path, *, uid: str = "1", slices: int = 20, shift_mm: float = 0.0) -> Path:
    """A DICOM series of CT slices 3 mm apart; `shift_mm` moves each against the one before it."""
    folder.mkdir(exist_ok=True)
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    for number in range(slices):
        image = sitk.GetImageFromArray(ct_voxels()[..., number].T)
        image.SetSpacing((4.0, 4.0))
        tags = {
            "0008|0060": "CT",
            "0020|000d": "1.2.3",
            "0020|000e": f"1.2.3.{uid}",
            "0008|0018": f"1.2.3.{uid}.{number}",
            "0020|0032": f"0\\{shift_mm * number}\\{3 * number}",
            "0020|0037": "1\\0\\0\\0\\1\\0",
            "0028|1052": "-1024",
            "0028|1053": "1",
        }
        for tag, value in tags.items():
            image.SetMetaData(tag, value)
        writer.SetFileName(str(folder / f"{uid}-{number:03}.dcm"))
        writer.Execute(image)
    return folder


def test_slope_and_intercept_of_the_header_are_honoured(tmp_path: Path) -> None:
    path = save(tmp_path / "ct.nii", mr_voxels())
    patch(path, SLOPE_AT, np.array([2, -1024], np.float32))
    image = read_scan(path)
    assert image.GetPixelID() == sitk.sitkFloat32
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), mr_voxels().T * 2.0 - 1024)


@pytest.mark.parametrize("name", ["scan.mha", "scan.nrrd", "scan.mhd", "scan.nii.gz"])
def test_every_format_gives_the_same_volume(tmp_path: Path, name: str) -> None:
    first = read_scan(save(tmp_path / "first.nii", mr_voxels()))
    sitk.WriteImage(first, tmp_path / name)
    again = read_scan(tmp_path / name)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(again), sitk.GetArrayFromImage(first))
    np.testing.assert_allclose(again.GetDirection(), first.GetDirection())
    np.testing.assert_allclose(again.GetOrigin(), first.GetOrigin(), atol=1e-4)
    assert scan_defects(tmp_path / name, "t1w") == []


def test_a_fourth_axis_of_length_one_is_dropped_and_a_longer_one_refused(tmp_path: Path) -> None:
    image = sitk.JoinSeries([sitk.GetImageFromArray(mr_voxels())])
    sitk.WriteImage(image, tmp_path / "one.nrrd")
    assert read_scan(tmp_path / "one.nrrd").GetDimension() == 3
    several = save(tmp_path / "two.nii.gz", np.stack([mr_voxels()] * 2, -1), spacing=(4, 4, 5))
    assert scan_defects(several, "t1w") == ["4D (30 x 32 x 20 x 2 voxels), where one 3D volume is expected"]
    with pytest.raises(InputError, match=r"two\.nii\.gz: 4D"):
        read_scan(several)


def test_a_flat_picture_and_a_colour_volume_are_no_scans(tmp_path: Path) -> None:
    flat = save(tmp_path / "flat.nii", mr_voxels()[..., 0])
    assert "2D" in scan_defects(flat, "t1w")[0]
    colour = sitk.GetImageFromArray(np.stack([mr_voxels()] * 3, -1), isVector=True)
    sitk.WriteImage(colour, tmp_path / "colour.mha")
    assert "3 values a voxel" in scan_defects(tmp_path / "colour.mha", "t1w")[0]


def test_a_file_cut_short_is_never_read_as_zeros(tmp_path: Path) -> None:
    whole = save(tmp_path / "whole.nii", mr_voxels()).read_bytes()
    (tmp_path / "cut.nii").write_bytes(whole[: len(whole) // 2])
    packed = gzip.compress(whole)
    (tmp_path / "cut.nii.gz").write_bytes(packed[: len(packed) // 2])
    (tmp_path / "short.nii.gz").write_bytes(gzip.compress(whole[: len(whole) // 2]))
    flipped = bytearray(packed)
    flipped[-6] ^= 0xFF
    (tmp_path / "flipped.nii.gz").write_bytes(flipped)
    for name in ("cut.nii", "cut.nii.gz", "short.nii.gz", "flipped.nii.gz"):
        assert "cut short" in scan_defects(tmp_path / name, "t1w")[0]
        with pytest.raises(InputError, match=name):
            read_scan(tmp_path / name)


def test_what_is_not_an_image_is_said_to_be_none(tmp_path: Path) -> None:
    for name in ("text.nii.gz", "text.nii", "text.mha", "text.dcm", "text"):
        (tmp_path / name).write_text("no image " * 100)
        (defect,) = scan_defects(tmp_path / name, "ct")
        assert "not a" in defect.lower()
    (tmp_path / "nothing.nii.gz").touch()
    assert len(scan_defects(tmp_path / "nothing.nii.gz", "ct")) == 1
    assert scan_defects(tmp_path / "absent.nii.gz", "ct") == ["there is no such file or folder"]


@pytest.mark.parametrize("size", [0, -30])
def test_a_header_with_an_impossible_size_is_refused(tmp_path: Path, size: int) -> None:
    path = patch(save(tmp_path / "t1.nii", mr_voxels()), SIZE_AT, np.array([size], np.int16))
    assert "size" in scan_defects(path, "t1w")[0]


@pytest.mark.parametrize("spacing", [0.0, -4.0, np.nan, 1e6, 1e-3])
def test_a_header_with_an_impossible_voxel_size_is_refused(tmp_path: Path, spacing: float) -> None:
    path = patch(save(tmp_path / "t1.nii", mr_voxels()), SPACING_AT, np.array([spacing], np.float32))
    assert any("voxel" in defect for defect in scan_defects(path, "t1w"))


@pytest.mark.parametrize("spacing", ["0", "-4"])
def test_so_is_it_in_a_meta_image(tmp_path: Path, spacing: str) -> None:
    sitk.WriteImage(read_scan(save(tmp_path / "t1.nii", mr_voxels())), tmp_path / "t1.mha")
    content = (tmp_path / "t1.mha").read_bytes()
    (tmp_path / "t1.mha").write_bytes(
        content.replace(b"ElementSpacing = 4 ", b"ElementSpacing = %b " % spacing.encode())
    )
    assert scan_defects(tmp_path / "t1.mha", "t1w") == [f"its header gives voxels of {spacing} x 4 x 5 mm"]


def test_sheared_axes_are_refused(tmp_path: Path) -> None:
    sheared = np.diag([4.0, 4, 5, 1])
    sheared[0, 1] = 1.5
    nib.save(nib.Nifti1Image(mr_voxels(), sheared), tmp_path / "t1.nii.gz")
    assert "right angles" in scan_defects(tmp_path / "t1.nii.gz", "t1w")[0]


def test_a_volume_that_cannot_hold_a_head_is_refused(tmp_path: Path) -> None:
    thin = save(tmp_path / "thin.nii", mr_voxels()[..., :7])
    assert scan_defects(thin, "t1w") == [
        "at least 8 slices are needed; found 30 x 32 x 7 voxels of 4 x 4 x 5 mm"
    ]
    small = save(tmp_path / "small.nii", mr_voxels(), spacing=(1, 1, 1))
    assert "too small for a head" in scan_defects(small, "t1w")[0]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", ["t1w", "ct"])
def test_one_voxel_that_is_no_number_is_found(tmp_path: Path, value: float, kind: str) -> None:
    voxels = ct_voxels().astype(np.float32)
    voxels[3, 4, 5] = value
    path = save(tmp_path / "scan.nii.gz", voxels)
    assert scan_defects(path, kind) == ["1 of 19200 voxels are NaN or infinite"]
    sitk.WriteImage(sitk.GetImageFromArray(voxels.T), tmp_path / "scan.nrrd")
    assert "1 of 19200 voxels are NaN or infinite" in scan_defects(tmp_path / "scan.nrrd", kind)


def test_an_empty_volume_is_refused(tmp_path: Path) -> None:
    blank = save(tmp_path / "blank.nii", np.zeros(SHAPE, np.int16))
    assert scan_defects(blank, "t1w") == ["empty: every voxel is 0"]
    speck = np.zeros(SHAPE, np.int16)
    speck[0, 0, 0] = 7
    assert "empty" in scan_defects(save(tmp_path / "speck.nii", speck), "t2w")[0]


def test_a_ct_must_be_in_hounsfield_units(tmp_path: Path) -> None:
    assert scan_defects(save(tmp_path / "ct.nii", ct_voxels()), "ct") == []
    shifted = save(tmp_path / "shifted.nii", (ct_voxels() + 1024).clip(0).astype(np.uint16))
    assert "lacks air-like (< -500)" in scan_defects(shifted, "ct")[0]
    low = save(tmp_path / "low.nii", (ct_voxels() - 1024).astype(np.int16))
    assert "no CT in Hounsfield units" in scan_defects(low, "ct")[0]
    padded = ct_voxels() + 1024
    padded[:8] = padded[-8:] = -2000
    assert "offset" in scan_defects(save(tmp_path / "padded.nii", padded.astype(np.int16)), "ct")[0]
    (defect,) = scan_defects(save(tmp_path / "mr.nii", mr_voxels()), "ct")
    assert "no CT in Hounsfield units" in defect
    assert "found values 0 to 799" in defect


def test_a_ct_given_as_mr_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "ct.nii", ct_voxels())
    assert "swapped" in scan_defects(path, "t1w")[0]
    # An MR may have negative values: interpolation overshoots.
    overshoot = save(tmp_path / "mr.nii", mr_voxels() - 20.5)
    assert scan_defects(overshoot, "t1w") == []


def test_label_maps_have_three_values(tmp_path: Path) -> None:
    labels = np.digitize(ct_voxels(), [-500, 600]).astype(np.float32)
    path = save(tmp_path / "labels.nii.gz", labels)
    assert read_labels(path).GetPixelID() == sitk.sitkUInt8
    assert scan_defects(path, "labels_t1w") == []
    for wrong in (3, 0.5):
        spoilt = labels.copy()
        spoilt[0, 0, 0] = wrong
        with pytest.raises(InputError, match=f"found {wrong}"):
            read_labels(save(tmp_path / "spoilt.nii.gz", spoilt))
    mask = save(tmp_path / "mask.nii.gz", labels.clip(0, 1))
    assert scan_defects(mask, "labels_t2w") == ["no voxel has label 2"]


def test_a_dicom_series_is_one_volume(tmp_path: Path) -> None:
    folder = save_series(tmp_path / "ct")
    image = read_scan(folder)
    assert image.GetSize() == SHAPE
    assert image.GetSpacing() == (4.0, 4.0, 3.0)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), ct_voxels().T)
    assert scan_defects(folder, "ct") == []


def test_a_dicom_folder_that_is_not_one_whole_series_is_refused(tmp_path: Path) -> None:
    gap = save_series(tmp_path / "gap")
    (gap / "1-007.dcm").unlink()
    assert "missing or doubled: 6.00 mm from slice 7" in scan_defects(gap, "ct")[0]
    tilted = save_series(tmp_path / "tilted", shift_mm=0.5)
    assert "sheared by 9.5 mm" in scan_defects(tilted, "ct")[0]
    both = save_series(save_series(tmp_path / "both"), uid="2")
    assert "2 DICOM series" in scan_defects(both, "ct")[0]
    shutil.rmtree(both)
    both.mkdir()
    assert scan_defects(both, "ct") == ["a folder without a DICOM series"]


def test_axes_of_an_image_in_memory_are_checked_too() -> None:
    image = sitk.GetImageFromArray(mr_voxels())
    image.SetSpacing((4, 4, 4))
    assert check_scan(image, "t1w") == []
    image.SetDirection((1, 0.3, 0, 0, 1, 0, 0, 0, 1))
    assert check_scan(image, "t1w") == ["its axes are not at right angles"]


@pytest.mark.skipif(not REAL.is_dir(), reason="the real scans are not on this machine")
@pytest.mark.parametrize(
    ("name", "kind", "other"),
    [
        ("cranium_ct.nii.gz", "ct", "t1w"),
        ("seg3d_T1.nii.gz", "t1w", "ct"),
        ("stroke_T2.nii.gz", "t2w", "ct"),
        ("rire_training_001_mr_T1.mha", "t1w", "ct"),
    ],
)
def test_real_scans_are_taken_for_what_they_are(name: str, kind: str, other: str) -> None:
    assert scan_defects(REAL / name, kind) == []
    assert len(scan_defects(REAL / name, other)) == 1
    assert len(scan_defects(REAL / name, "labels_t1w")) == 1


# What damaged files, wrong headers and odd places have brought to light


def test_a_scan_that_would_not_fit_any_memory_is_refused_by_its_header(tmp_path: Path) -> None:
    path = save(tmp_path / "t1.nii.gz", mr_voxels())
    header = bytearray(gzip.decompress(path.read_bytes()))
    header[SIZE_AT : SIZE_AT + 6] = np.array([32767] * 3, np.int16).tobytes()
    path.write_bytes(gzip.compress(header))
    assert scan_defects(path, "t1w") == [
        "its header gives a size of 32767 x 32767 x 32767 voxels; at most 1,073,741,824"
    ]
    sitk.WriteImage(read_scan(save(tmp_path / "whole.nii", mr_voxels())), tmp_path / "t1.mha")
    content = (tmp_path / "t1.mha").read_bytes()
    (tmp_path / "t1.mha").write_bytes(content.replace(b"DimSize = 30 32 20", b"DimSize = 30000 30000 30000"))
    assert "at most 1,073,741,824" in scan_defects(tmp_path / "t1.mha", "t1w")[0]


def test_a_small_file_that_unpacks_to_any_number_of_zeros_is_not_unpacked_to_its_end(tmp_path: Path) -> None:
    whole = gzip.compress(save(tmp_path / "whole.nii", mr_voxels()).read_bytes())
    (tmp_path / "bomb.nii.gz").write_bytes(whole + gzip.compress(bytes(10**8), 1))
    assert "much longer than" in scan_defects(tmp_path / "bomb.nii.gz", "t1w")[0]


def test_a_type_of_voxels_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    path = patch(save(tmp_path / "t1.nii", mr_voxels()), 70, np.array([9999], np.int16))
    assert scan_defects(path, "t1w") == ["its header gives a type of voxels that is unknown (9999)"]


@pytest.mark.parametrize("at", [256, 268, 280, 292])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_place_that_is_no_number_is_refused(tmp_path: Path, at: int, value: float) -> None:
    path = patch(save(tmp_path / "t1.nii", mr_voxels()), FORM_CODES_AT, np.array([1, 1], np.int16))
    patch(path, at, np.array([value], np.float32))
    assert "at no place" in scan_defects(path, "t1w")[0]


def test_a_scan_further_away_than_any_scanner_is_long_is_refused(tmp_path: Path) -> None:
    image = sitk.GetImageFromArray(mr_voxels())
    image.SetSpacing((4, 4, 4))
    image.SetOrigin((0, 1e9, 0))
    assert check_scan(image, "t1w") == ["its header puts the first voxel at 0, 1e+09, 0 mm"]


def test_a_slab_too_thin_to_be_aligned_and_a_whole_body_are_refused(tmp_path: Path) -> None:
    slab = save(tmp_path / "slab.nii", mr_voxels(), spacing=(4, 4, 0.5))
    assert "too thin, 16 mm along each axis" in scan_defects(slab, "t1w")[0]
    body = save(tmp_path / "body.nii", np.tile(mr_voxels(), (1, 1, 3)), spacing=(4, 4, 20))
    assert "larger than 1000 mm along an axis: cut out the head" in scan_defects(body, "t1w")[0]


def test_voxels_larger_than_a_scanner_gives_are_refused(tmp_path: Path) -> None:
    voxels = mr_voxels().astype(np.float32)
    voxels[3, 4, 5] = 3e38
    assert "larger than a scanner gives" in scan_defects(save(tmp_path / "t1.nii", voxels), "t1w")[0]


def test_a_pipe_or_a_device_in_the_place_of_a_scan_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.nii")
    (tmp_path / "zeros.nii.gz").symlink_to("/dev/zero")
    (tmp_path / "loop.mha").symlink_to("loop.mha")
    for name in ("pipe.nii", "zeros.nii.gz", "loop.mha", "x" * 300):
        assert scan_defects(tmp_path / name, "t1w") == ["there is no such file or folder"]


def test_a_folder_whose_name_is_not_unicode_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"h\xe9ads")
    folder.mkdir()
    path = save(tmp_path / "t1.mha.nii", mr_voxels()).rename(folder / "t1.mha")
    (defect,) = scan_defects(path, "t1w")
    assert "not an image that can be read" in defect


@pytest.mark.parametrize("number", [0, 7, 19])
def test_a_dicom_slice_that_is_cut_short_is_missed(tmp_path: Path, number: int) -> None:
    folder = save_series(tmp_path / "ct")
    file = folder / f"1-{number:03}.dcm"
    file.write_bytes(file.read_bytes()[:900])
    assert "1 DICOM files in the folder are damaged" in scan_defects(folder, "ct")[0]


def test_notes_beside_the_slices_do_no_harm_and_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    folder = save_series(tmp_path / "ct")
    (folder / "notes.txt").write_text("from the scanner")
    (folder / "below").mkdir()
    assert scan_defects(folder, "ct") == []
    os.mkfifo(folder / "pipe")
    assert scan_defects(folder, "ct") == ["a folder in which pipe is neither file nor folder"]


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        ((0x20, 0x32), "nan\\0\\0"),
        ((0x20, 0x32), "0\\0"),
        ((0x20, 0x32), "x"),
        ((0x20, 0x32), ""),
        ((0x20, 0x32), "0\\0\\0"),
        ((0x20, 0x37), "0\\0\\0\\0\\0\\0"),
        ((0x20, 0x37), "1\\0\\0"),
    ],
)
def test_slices_at_no_place_are_refused(tmp_path: Path, tag: tuple[int, int], text: str) -> None:
    folder = save_series(tmp_path / "ct")
    for file in folder.iterdir():
        set_tag(file, tag, text)
    assert len(scan_defects(folder, "ct")) == 1


def set_tag(file: Path, tag: tuple[int, int], text: str) -> None:
    """Gives a tag of a DICOM file (implicit VR, little endian) another text."""
    content = file.read_bytes()
    at = content.index(struct.pack("<HH", *tag)) + 4
    (length,) = struct.unpack_from("<I", content, at)
    packed = text.encode() + b" " * (len(text) % 2)
    file.write_bytes(content[:at] + struct.pack("<I", len(packed)) + packed + content[at + 4 + length :])
