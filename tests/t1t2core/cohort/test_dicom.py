"""A user has DICOM as scanners and archives write it: it is read right, or what is wrong is said by name."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    BasicTextSRStorage,
    DeflatedExplicitVRLittleEndian,
    EnhancedCTImageStorage,
    EnhancedMRImageStorage,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    LegacyConvertedEnhancedMRImageStorage,
    MediaStorageDirectoryStorage,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    RLELossless,
)

from t1t2core.cohort.scan import read_scan, scan_defects
from t1t2core.errors import InputError
from tests.builders.dicoms import classic, enhanced, save, save_series

SLICES = 10


def volume(*, turned: bool = True, distance_mm: float = 3.0) -> sitk.Image:
    """Voxels of all values, each axis of another size and spacing, turned in space."""
    voxels = np.random.default_rng(0).integers(-1024, 2048, (SLICES, 18, 16)).astype(np.int16)
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing((4.0, 5.0, distance_mm))
    image.SetOrigin((-30.5, 12.25, 100.0))
    if turned:
        image.SetDirection(sitk.Euler3DTransform((0, 0, 0), 0.3, -0.2, 1.4).GetMatrix())
    return image


def check_same(image: sitk.Image, expected: sitk.Image, voxels: np.ndarray | None = None) -> None:
    assert image.GetPixelID() == sitk.sitkFloat32
    assert image.GetSize() == expected.GetSize()
    np.testing.assert_allclose(image.GetSpacing(), expected.GetSpacing(), atol=1e-6)
    np.testing.assert_allclose(image.GetOrigin(), expected.GetOrigin(), atol=1e-6)
    np.testing.assert_allclose(image.GetDirection(), expected.GetDirection(), atol=1e-6)
    voxels = sitk.GetArrayFromImage(expected) if voxels is None else voxels
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), voxels)


def defect(path: Path) -> str:
    (found,) = scan_defects(path, "t1w")
    return found


# Enhanced files


@pytest.mark.parametrize(
    "kind", [EnhancedCTImageStorage, EnhancedMRImageStorage, LegacyConvertedEnhancedMRImageStorage]
)
def test_an_enhanced_file_is_a_volume_alone_or_in_a_folder(tmp_path: Path, kind: str) -> None:
    path = save(enhanced(volume(), kind=kind), tmp_path / "scan" / "IM0001")
    check_same(read_scan(path), volume())
    check_same(read_scan(path.parent), volume())
    assert scan_defects(path.parent, "t1w") == []


def test_frames_are_put_in_the_order_in_which_they_lie(tmp_path: Path) -> None:
    for order in (range(SLICES)[::-1], np.random.default_rng(1).permutation(SLICES).tolist()):
        check_same(read_scan(save(enhanced(volume(), order), tmp_path / "scan.dcm")), volume())


def test_what_frames_have_in_common_may_stand_with_each(tmp_path: Path) -> None:
    file = enhanced(volume())
    (shared,) = file.SharedFunctionalGroupsSequence
    for groups in file.PerFrameFunctionalGroupsSequence:
        groups.update(shared)
    del file.SharedFunctionalGroupsSequence
    check_same(read_scan(save(file, tmp_path / "scan.dcm")), volume())


def test_each_frame_has_its_own_slope_and_intercept(tmp_path: Path) -> None:
    order = list(range(SLICES))[::-1]
    file = enhanced(volume(), order, EnhancedMRImageStorage)
    for number, groups in zip(order, file.PerFrameFunctionalGroupsSequence, strict=True):
        line, other = Dataset(), Dataset()
        line.RescaleSlope, line.RescaleIntercept = 1 + number / 4, -number
        other.RealWorldValueSlope, other.RealWorldValueIntercept = 100.0, 7.0
        groups.PixelValueTransformationSequence = [line]
        groups.RealWorldValueMappingSequence = [other]
    numbers = np.arange(SLICES)[:, None, None]
    expected = sitk.GetArrayFromImage(volume()) * (1 + numbers / 4) - numbers
    check_same(read_scan(save(file, tmp_path / "scan.dcm")), volume(), expected)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, RLELossless])
def test_frames_are_read_however_they_are_written(tmp_path: Path, syntax: str) -> None:
    file = enhanced(volume())
    if syntax == RLELossless:
        file.compress(RLELossless)
    file.file_meta.TransferSyntaxUID = syntax
    check_same(read_scan(save(file, tmp_path / "scan.dcm")), volume())


@pytest.mark.parametrize("compressor", ["JPEG", "JPEG2000"])
def test_compressed_frames_have_their_own_slope_too(tmp_path: Path, compressor: str) -> None:
    stored = sitk.Cast(volume(turned=False) + 1024, sitk.sitkUInt16)
    sitk.WriteImage(stored, tmp_path / "pixels.dcm", useCompression=True, compressor=compressor)
    pixels, file = pydicom.dcmread(tmp_path / "pixels.dcm"), enhanced(volume())
    assert pixels.file_meta.TransferSyntaxUID.is_compressed
    file.file_meta.TransferSyntaxUID = pixels.file_meta.TransferSyntaxUID
    for keyword in ("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"):
        setattr(file, keyword, pixels[keyword].value)
    file["PixelData"] = pixels["PixelData"]
    for number, groups in enumerate(file.PerFrameFunctionalGroupsSequence):
        line = Dataset()
        line.RescaleSlope, line.RescaleIntercept = number + 1, -1024
        groups.PixelValueTransformationSequence = [line]
    slopes = np.arange(1, SLICES + 1)[:, None, None]
    expected = sitk.GetArrayFromImage(stored).astype(np.float32) * slopes - 1024
    check_same(read_scan(save(file, tmp_path / "scan.dcm")), volume(), expected)


@pytest.mark.parametrize("bits", [12, 16])
@pytest.mark.parametrize("signed", [False, True])
def test_bits_beyond_those_stored_are_no_part_of_a_voxel(tmp_path: Path, bits: int, signed: bool) -> None:
    file = enhanced(volume())
    stored = sitk.GetArrayFromImage(volume()).astype(np.int64) - (0 if signed else -1024)
    file.BitsStored, file.HighBit, file.PixelRepresentation = bits, bits - 1, int(signed)
    overlay = 0xA000 if bits == 12 else 0
    file.PixelData = (stored & (2**bits - 1) | overlay).astype(np.uint16).tobytes()
    check_same(read_scan(save(file, tmp_path / "scan.dcm")), volume(), stored)


# Enhanced files that are no one volume


def place(file: Dataset, frame: int) -> Dataset:
    """Where a frame of an enhanced file lies, to be changed."""
    return file.PerFrameFunctionalGroupsSequence[frame].PlanePositionSequence[0]


def upright(slices: list[int] | None = None) -> Dataset:
    """An enhanced file of slices 3 mm apart, with no turn."""
    return enhanced(volume(turned=False), slices)


def gap() -> Dataset:
    return upright([0, 1, 2, 3, 6, 7, 8, 9])


def thin_and_thick() -> Dataset:
    file = upright()
    for frame in range(5, SLICES):
        place(file, frame).ImagePositionPatient[2] += 3 * (frame - 4)
    return file


def wider_and_wider() -> Dataset:
    file = enhanced(volume(turned=False, distance_mm=6.0))
    for frame in range(SLICES):
        place(file, frame).ImagePositionPatient[2] += 0.06 * frame**2
    return file


def doubled() -> Dataset:
    return upright([0, 1, 2, 3, 4, 4, 5, 6, 7, 8])


def tilted() -> Dataset:
    file = upright()
    for frame in range(SLICES):
        place(file, frame).ImagePositionPatient[1] += frame
    return file


def shifted() -> Dataset:
    file = upright()
    place(file, 6).ImagePositionPatient[0] += 4
    return file


def two_echoes() -> Dataset:
    file = upright([*range(SLICES)] * 2)
    for frame, groups in enumerate(file.PerFrameFunctionalGroupsSequence):
        groups.MREchoSequence = [Dataset()]
        groups.MREchoSequence[0].EffectiveEchoTime = 20.0 if frame < SLICES else 80.0
    return file


def two_stacks() -> Dataset:
    file = upright()
    for groups in file.PerFrameFunctionalGroupsSequence[7:]:
        groups.FrameContentSequence[0].StackID = "2"
    return file


def across() -> Dataset:
    """The last frame is sagittal."""
    file = upright()
    turned = Dataset()
    turned.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]
    axial = file.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0]
    for groups in file.PerFrameFunctionalGroupsSequence:
        groups.PlaneOrientationSequence = [axial]
    file.PerFrameFunctionalGroupsSequence[-1].PlaneOrientationSequence = [turned]
    return file


def skew() -> Dataset:
    file = upright()
    axes = file.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0]
    axes.ImageOrientationPatient = [1, 0, 0, 0.6, 0.8, 0]
    return file


def without_places() -> Dataset:
    file = upright()
    for groups in file.PerFrameFunctionalGroupsSequence:
        del groups.PlanePositionSequence
    return file


def at_one_place() -> Dataset:
    return upright([3] * SLICES)


def without_groups() -> Dataset:
    file = upright()
    file.SOPClassUID = MultiFrameGrayscaleWordSecondaryCaptureImageStorage
    del file.SharedFunctionalGroupsSequence, file.PerFrameFunctionalGroupsSequence
    return file


def without_voxel_size() -> Dataset:
    file = upright()
    del file.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence
    return file


def with_a_slope_of_0() -> Dataset:
    file = upright()
    file.SharedFunctionalGroupsSequence[0].PixelValueTransformationSequence[0].RescaleSlope = 0
    return file


def in_colour() -> Dataset:
    file = upright()
    file.SamplesPerPixel, file.PhotometricInterpretation = 3, "RGB"
    return file


def cut_short() -> Dataset:
    file = upright()
    file.PixelData = file.PixelData[:-100]
    return file


def of_a_kind_that_is_not_known() -> Dataset:
    file = upright()
    file.PixelData = encapsulate([bytes(100)] * SLICES)
    file["PixelData"].is_undefined_length = True
    file.file_meta.TransferSyntaxUID = HTJ2KLossless
    return file


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            gap,
            "missing or doubled: 9.00 mm from slice 4 (frame 4 of scan.dcm) to the next, 3.00 mm elsewhere",
        ),
        (thin_and_thick, "3.00 mm from slice 1 (frame 1 of scan.dcm) on, then 6.00 mm from slice 5"),
        (wider_and_wider, "at distances of 6.06 to 7.02 mm"),
        (doubled, "2 lie at the place of slice 5 (frame 5 of scan.dcm, frame 6 of scan.dcm)"),
        (tilted, "sheared by 9.0 mm (tilted gantry)"),
        (shifted, "frame 7 of scan.dcm is shifted by 4.0 mm within its plane"),
        (two_echoes, "2 volumes at the same places, which differ in echo time (20.0, 80.0)"),
        (two_stacks, "2 stacks of frames, where one is expected: 1 (7 frames), 2 (3 frames)"),
        (across, "differ in orientation: 9 of 1\\0\\0\\0\\1\\0"),
        (skew, "not at right angles"),
        (without_places, "frame 1 of scan.dcm has nothing for its ImagePositionPatient"),
        (at_one_place, "its 10 slices lie at one place"),
        (without_groups, "it has 10 frames and 0 places"),
        (without_voxel_size, "frame 1 of scan.dcm has nothing for its PixelSpacing"),
        (with_a_slope_of_0, "frame 1 of scan.dcm has a rescale slope of 0"),
        (in_colour, "in colour (RGB)"),
        (cut_short, "ends before its last voxel"),
        (of_a_kind_that_is_not_known, "compressed as High-Throughput JPEG 2000"),
    ],
)
def test_an_enhanced_file_that_is_no_one_volume_says_why(
    tmp_path: Path, make: Callable[[], Dataset], words: str
) -> None:
    path = save(make(), tmp_path / "scan" / "scan.dcm")
    assert words in defect(path)
    assert words in defect(path.parent)


def test_a_volume_in_several_multi_frame_files_is_put_together(tmp_path: Path) -> None:
    save(enhanced(volume(), [0, 1, 2, 3]), tmp_path / "scan" / "b.dcm")
    save(enhanced(volume(), [9, 8, 7, 6, 5, 4]), tmp_path / "scan" / "a.dcm")
    check_same(read_scan(tmp_path / "scan"), volume())


# Classic series


def test_a_series_is_the_volume_that_it_was_made_of(tmp_path: Path) -> None:
    save_series(volume(), tmp_path / "scan")
    check_same(read_scan(tmp_path / "scan"), volume())


def test_each_slice_has_its_own_slope_and_intercept(tmp_path: Path) -> None:
    for number, file in enumerate(save_series(volume(), tmp_path / "scan")):
        file.RescaleSlope, file.RescaleIntercept = 1 + number / 4, -number
        save(file, tmp_path / "scan" / f"{number:03}.dcm")
    numbers = np.arange(SLICES)[:, None, None]
    expected = sitk.GetArrayFromImage(volume()) * (1 + numbers / 4) - numbers
    check_same(read_scan(tmp_path / "scan"), volume(), expected)


def test_names_say_nothing_about_slices(tmp_path: Path) -> None:
    for number in range(SLICES):
        save(classic(volume(), number), tmp_path / "scan" / f"IM{(7 * number) % SLICES}")
    check_same(read_scan(tmp_path / "scan"), volume())


def test_slices_without_the_mark_of_a_dicom_file_are_read(tmp_path: Path) -> None:
    (tmp_path / "scan").mkdir()
    for number in range(SLICES):
        file = classic(volume(), number)
        del file.file_meta
        file.save_as(tmp_path / "scan" / f"{number}", implicit_vr=True, little_endian=True)
        assert (tmp_path / "scan" / f"{number}").read_bytes()[128:132] != b"DICM"
    check_same(read_scan(tmp_path / "scan"), volume())


def test_what_is_no_image_does_not_stand_in_the_way_of_the_slices(tmp_path: Path) -> None:
    save_series(volume(), tmp_path / "scan")
    for kind in (BasicTextSRStorage, MediaStorageDirectoryStorage):
        file = classic(volume(), 0)
        file.SOPClassUID, file.SeriesInstanceUID = kind, "9.9"
        del file.PixelData, file.Rows
        path = save(file, tmp_path / "scan" / kind)
        assert "a DICOM file with no image" in defect(path)
    check_same(read_scan(tmp_path / "scan"), volume())


def test_a_localizer_among_the_slices_is_named(tmp_path: Path) -> None:
    save_series(volume(), tmp_path / "scan")
    scout = classic(volume(), 0)
    scout.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]
    save(scout, tmp_path / "scan" / "scout.dcm")
    found = defect(tmp_path / "scan")
    assert "differ in orientation: 10 of " in found
    assert "1 of 0\\1\\0\\0\\0\\-1 (scout.dcm); leave out what" in found
    scout.SeriesInstanceUID, scout.SeriesDescription = "1.2.4", "Localizer"
    save(scout, tmp_path / "scan" / "scout.dcm")
    assert (
        "2 DICOM series, where one is expected: 1.2.3 (000.dcm and 9 more), Localizer (scout.dcm); give each"
    ) in defect(tmp_path / "scan")


def test_slices_of_another_size_or_scale_are_named(tmp_path: Path) -> None:
    slices = save_series(volume(), tmp_path / "scan")
    slices[4].PixelSpacing = [5.0, 4.1]
    save(slices[4], tmp_path / "scan" / "004.dcm")
    assert "differ in voxel size: 9 of 4 x 5 (000.dcm, ...), 1 of 4.1 x 5 (004.dcm)" in defect(
        tmp_path / "scan"
    )
    save(classic(volume()[:8], 4), tmp_path / "scan" / "004.dcm")
    assert "differ in size: 9 of 16 x 18 (000.dcm, ...), 1 of 8 x 18 (004.dcm)" in defect(tmp_path / "scan")


def test_thin_and_then_thick_slices_are_named_with_both_distances(tmp_path: Path) -> None:
    thin, thick = volume(turned=False, distance_mm=2.0), volume(turned=False, distance_mm=5.0)
    save_series(thin, tmp_path / "scan")
    thick.SetOrigin(thin.TransformIndexToPhysicalPoint((0, 0, SLICES - 1)))
    for number in range(1, SLICES):
        save(classic(thick, number), tmp_path / "scan" / f"thick-{number}.dcm")
    assert (
        "at different distances: 2.00 mm from slice 1 (000.dcm) on, then 5.00 mm from slice 10 (009.dcm) on"
    ) in defect(tmp_path / "scan")


def test_a_slice_that_is_there_twice_and_a_series_that_is_are_told_apart(tmp_path: Path) -> None:
    slices = save_series(volume(), tmp_path / "scan")
    save(slices[5], tmp_path / "scan" / "copy.dcm")
    assert "2 lie at the place of slice 6 (005.dcm, copy.dcm); keep one" in defect(tmp_path / "scan")
    for number, file in enumerate(slices):
        file.EchoTime = 80
        save(file, tmp_path / "scan" / f"copy-{number}.dcm")
    (tmp_path / "scan" / "copy.dcm").unlink()
    assert "2 volumes at the same places, which differ in echo time (80.0, none)" in defect(tmp_path / "scan")


def test_one_slice_of_a_series_is_no_scan(tmp_path: Path) -> None:
    path = save(classic(volume(), 0), tmp_path / "scan" / "0.dcm")
    assert defect(path) == "a DICOM file with one slice: give the folder that has the slices of the series"
    assert defect(path.parent) == "one slice, where the slices of a volume are expected"


def test_a_slice_in_colour_is_named(tmp_path: Path) -> None:
    slices = save_series(volume(), tmp_path / "scan")
    slices[4].SamplesPerPixel, slices[4].PhotometricInterpretation = 3, "RGB"
    save(slices[4], tmp_path / "scan" / "004.dcm")
    assert "1 DICOM files in the folder are damaged or no slices of a volume: 004.dcm (in colour" in defect(
        tmp_path / "scan"
    )


def test_folders_beneath_are_named_where_the_series_is(tmp_path: Path) -> None:
    save_series(volume(), tmp_path / "patient" / "study" / "T1")
    directory = classic(volume(), 0)
    directory.SOPClassUID = MediaStorageDirectoryStorage
    save(directory, tmp_path / "patient" / "DICOMDIR")
    assert defect(tmp_path / "patient") == (
        "a folder without a DICOM series of its own: give the one beneath it, study/T1"
    )
    save_series(volume(), tmp_path / "patient" / "study" / "CT")
    assert "give one of the 2 beneath it (study/CT, study/T1)" in defect(tmp_path / "patient")
    with pytest.raises(InputError, match=r"patient/DICOMDIR: a DICOM file with no image"):
        read_scan(tmp_path / "patient" / "DICOMDIR")
