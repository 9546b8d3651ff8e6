"""A subject's files become volumes for the network, and those come back from disk as they were."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import SimpleITK as sitk

from t1t2core.cohort.phantom import write_phantom
from t1t2core.cohort.scan import read_scan
from t1t2core.cohort.subject import Subject
from t1t2core.errors import InputError
from t1t2core.preparation.grid import affine, place_grid, to_array, to_image
from t1t2core.preparation.labels import label_from_ct
from t1t2core.preparation.prepare import (
    PreparedSubject,
    load_prepared,
    prepare_image,
    prepare_subject,
    save_prepared,
)
from t1t2core.settings import PreparationSettings, Settings
from t1t2core.settings.classes import IGNORED
from tests.builders.heads import AIR, BONE, SOFT_TISSUE
from tests.builders.settings import names, other

OF_IMAGES = ("grid", "voxel_mm", "normalisation", "normalisation_sigma_mm")
OF_LABELS = ("bone_above_hu", "air_below_hu", "label_resampling", "outside_ct")
DEMO = PreparationSettings(grid=(48, 64, 32), voxel_mm=(4.0, 4.0, 4.5))


@pytest.fixture(scope="module")
def subjects(tmp_path_factory: pytest.TempPathFactory) -> list[Subject]:
    folder = write_phantom(
        tmp_path_factory.mktemp("heads") / "phantom", subjects=2, with_t2w=2, voxel_mm=3.0, seed=4
    )
    names = ["sub-01", "sub-02"]
    return [
        Subject(
            name=name,
            t1w=folder / name / f"anat/{name}_T1w.nii.gz",
            t2w=folder / name / f"anat/{name}_T2w.nii.gz",
            ct=folder / name / f"ct/{name}_ct.nii.gz",
        )
        for name in names
    ]


@pytest.fixture(scope="module")
def prepared(subjects: list[Subject]) -> PreparedSubject:
    return prepare_subject(subjects[0], DEMO)


def test_both_sequences_have_images_and_labels_of_the_network_s_size(prepared: PreparedSubject):
    for scan in (prepared.t1, prepared.t2):
        assert scan is not None
        assert scan.image.shape == scan.labels.shape == DEMO.grid
        assert (scan.image.dtype, scan.labels.dtype) == (np.float32, np.uint8)
        assert np.isfinite(scan.image).all()
        assert set(np.unique(scan.labels)) <= {AIR, SOFT_TISSUE, BONE, IGNORED}
        np.testing.assert_allclose(np.linalg.norm(scan.affine[:3, :3], axis=0), DEMO.voxel_mm)
    assert all(alignment.ok for alignment in prepared.alignment.values())
    assert set(prepared.alignment) == {"T1", "T2"}


def test_tissues_have_the_volumes_of_a_head(prepared: PreparedSubject):
    for volumes in prepared.volumes_ml.values():
        assert 200 < volumes["bone"] < 900
        assert 1500 < volumes["soft_tissue"] < 5000
        assert 10 < volumes["internal_air"] < 300


def test_labels_lie_on_the_image(prepared: PreparedSubject):
    for scan in (prepared.t1, prepared.t2):
        assert scan is not None
        values = {label: scan.image[scan.labels == label].mean() for label in (AIR, SOFT_TISSUE, BONE)}
        assert values[SOFT_TISSUE] > values[BONE]
        assert values[SOFT_TISSUE] > values[AIR]


def test_the_same_files_give_the_same_volumes(subjects: list[Subject], prepared: PreparedSubject):
    again = prepare_subject(subjects[0], DEMO)
    np.testing.assert_array_equal(again.t1.image, prepared.t1.image)
    np.testing.assert_array_equal(again.t1.labels, prepared.t1.labels)
    assert again.alignment == prepared.alignment


def test_the_orientation_of_the_file_does_not_matter(subjects: list[Subject], tmp_path: Path):
    scan = read_scan(subjects[0].t1w)
    turned = sitk.DICOMOrient(scan, "PSR")
    first, second = prepare_image(scan, DEMO), prepare_image(turned, DEMO)
    np.testing.assert_allclose(first.affine, second.affine, atol=1e-4)
    np.testing.assert_allclose(first.image, second.image, atol=1e-2)
    assert np.diag(first.affine)[:3].min() > 0


def test_a_new_scan_is_prepared_as_the_training_scans_were(
    subjects: list[Subject], prepared: PreparedSubject
):
    new = prepare_image(read_scan(subjects[0].t1w), DEMO)
    np.testing.assert_array_equal(new.image, prepared.t1.whole.image)
    np.testing.assert_array_equal(new.affine, prepared.t1.whole.affine)
    np.testing.assert_allclose(affine(new.grid), new.affine)


def test_the_whole_scan_has_the_box_in_it(subjects: list[Subject]):
    small = replace(DEMO, grid=(32, 32, 16))
    scan = read_scan(subjects[0].t1w)
    box = prepare_subject(replace(subjects[0], t2w=None), small).t1
    whole = box.whole
    assert box.image.shape == (32, 32, 16)
    start = np.rint(np.linalg.solve(whole.affine, box.affine[:, 3])[:3]).astype(int)
    assert tuple(start) == whole.start
    for name in ("image", "labels", "hull"):
        np.testing.assert_array_equal(getattr(whole, name)[whole.box((32, 32, 16))], getattr(box, name))
    extent = np.array(whole.image.shape) * small.voxel_mm
    assert (extent >= np.array(scan.GetSize()) * scan.GetSpacing()).all()


def test_the_ct_of_the_whole_scan_gave_its_labels(prepared: PreparedSubject):
    whole = prepared.t1.whole
    assert whole.hu is not None
    known = whole.labels != IGNORED
    assert (whole.hu[known & (whole.labels == BONE)] >= DEMO.bone_above_hu).all()
    assert (whole.hu[known & (whole.labels == AIR)] <= DEMO.air_below_hu).all()


def test_a_scan_smaller_than_the_grid_is_padded_and_the_padding_ignored(
    subjects: list[Subject], tmp_path: Path
):
    scan = read_scan(subjects[0].t1w)
    slab = sitk.RegionOfInterest(scan, [*scan.GetSize()[:2], 26], [0, 0, 20])
    sitk.WriteImage(slab, tmp_path / "slab.nii.gz")
    labels = sitk.Image(slab.GetSize(), sitk.sitkUInt8) + SOFT_TISSUE
    labels.CopyInformation(slab)
    sitk.WriteImage(labels, tmp_path / "labels.nii.gz")
    subject = Subject(name="slab", t1w=tmp_path / "slab.nii.gz", labels_t1w=tmp_path / "labels.nii.gz")
    found = prepare_subject(subject, DEMO)
    assert (found.t1.labels[:, :, 0] == IGNORED).all()
    assert not found.t1.image[:, :, 0].any()
    assert (found.t1.labels[20:28, 28:36, 12:20] == SOFT_TISSUE).all()
    assert found.alignment["T1"].method == "given"
    assert found.t2 is None


def lowest_mm(scan: sitk.Image, settings: PreparationSettings) -> float:
    """Height of the box's lowest slice in the world."""
    prepared = prepare_image(scan, settings)
    return float((prepared.affine @ [*prepared.start, 1])[2])


def test_black_end_slices_are_left_out(subjects: list[Subject]):
    """A scan with 60 mm of nothing above the head has the same box as without."""
    scan = read_scan(subjects[0].t1w)
    values = to_array(scan)
    padded = sitk.ConstantPad(scan, [0, 0, 0], [0, 0, 20], 0.0)
    noise = np.abs(np.random.default_rng(2).normal(0, np.percentile(values, 5), (*values.shape[:2], 20)))
    full = np.concatenate([values, noise.astype(np.float32)], axis=2)
    for settings in (replace(DEMO, grid=(48, 64, 24)), replace(DEMO, grid=(48, 64, 24), box="crown")):
        assert lowest_mm(to_image(full, padded), settings) == pytest.approx(lowest_mm(scan, settings), abs=2)


def ball_on_a_neck(neck_mm: int) -> tuple[sitk.Image, sitk.Image]:
    """A scan and mask of 2 mm voxels: air, a neck of 80 x 80 mm, a ball of 160 mm, 20 mm of air."""
    x, y, z = np.meshgrid(
        *(np.arange(2.0, side, 2.0) - 1 for side in (202, 202, 182 + neck_mm)), indexing="ij"
    )
    ball = (x - 100) ** 2 + (y - 100) ** 2 + (z - neck_mm - 80) ** 2 < 80**2
    neck = (np.abs(x - 100) < 40) & (np.abs(y - 100) < 40) & (z < neck_mm + 80)
    scan = sitk.GetImageFromArray((ball | neck).astype(np.float32).transpose(2, 1, 0))
    scan.SetSpacing((2.0, 2.0, 2.0))
    return scan, sitk.Cast(scan, sitk.sitkUInt8)


@pytest.mark.parametrize(("box", "expected"), [("most_head", 20.0), ("crown", 40.0)])
@pytest.mark.parametrize("neck_mm", [0, 40, 80])
def test_a_neck_does_not_move_the_box(box: Literal["most_head", "crown"], expected: float, neck_mm: int):
    """The slices with the most head are those about the middle of the ball; the crown is its top."""
    settings = PreparationSettings(grid=(40, 40, 30), voxel_mm=(4.0, 4.0, 4.0), box=box)
    grid = place_grid(*ball_on_a_neck(neck_mm), settings)
    begin = grid.lattice.TransformIndexToPhysicalPoint(grid.start)[2] - 2.0 + 1.0
    assert begin == pytest.approx(neck_mm + expected, abs=8 if box == "most_head" else 2)


def test_a_head_smaller_than_the_box_lies_in_its_middle():
    settings = PreparationSettings(grid=(40, 40, 44), voxel_mm=(4.0, 4.0, 4.0))
    grid = place_grid(*ball_on_a_neck(0), settings)
    begin = grid.lattice.TransformIndexToPhysicalPoint(grid.start)[2] - 2.0 + 1.0
    assert begin == pytest.approx(0.0, abs=4), "176 mm around 160 mm, inside a scan that begins at 0"


def test_a_registered_cohort_says_so_and_is_believed_only_if_it_is_true(
    subjects: list[Subject], prepared: PreparedSubject
):
    found = prepare_subject(replace(subjects[0], t2w=None), replace(DEMO, registration="none"))
    assert not np.array_equal(found.t1.labels, prepared.t1.labels), "its labels lie elsewhere"
    alignment = found.alignment["T1"]
    assert alignment.method == "none"
    assert np.array_equal(alignment.to_ct, np.eye(4))
    assert not alignment.ok
    assert alignment.reason


@pytest.mark.parametrize("name", OF_IMAGES)
def test_each_setting_of_images_changes_them(subjects: list[Subject], prepared: PreparedSubject, name: str):
    changed = prepare_image(read_scan(subjects[0].t1w), with_another(name))
    assert not np.array_equal(changed.image, prepared.t1.whole.image)


@pytest.mark.parametrize("name", OF_LABELS)
def test_each_setting_of_labels_changes_them(subjects: list[Subject], name: str):
    ct, grid = read_scan(subjects[0].ct), prepare_image(read_scan(subjects[0].t1w), DEMO).grid
    measured = sitk.Image(ct.GetSize(), sitk.sitkUInt8) + 1
    measured.CopyInformation(ct)
    beside = sitk.TranslationTransform(3, (0.0, 0.0, 60.0))  # beyond what the CT saw
    usual, changed = (
        label_from_ct(ct, measured, beside, grid, settings) for settings in (DEMO, with_another(name))
    )
    assert not np.array_equal(changed, usual)


def test_no_setting_changes_nothing():
    """Those of the registration and the box: see above. `slices` is for training."""
    tested = {*OF_IMAGES, *OF_LABELS, "registration", "box", "slices"}
    assert {name for _, name in names("preparation")} == tested


def with_another(name: str) -> PreparationSettings:
    """As usual here, with another value of a setting."""
    return replace(DEMO, **{name: other(Settings(preparation=DEMO), f"preparation.{name}")})


def test_a_scan_without_labels_of_any_kind(subjects: list[Subject]):
    with pytest.raises(InputError, match=r"sub-01.*T1.*neither a CT nor a label map"):
        prepare_subject(replace(subjects[0], ct=None), DEMO)


def test_what_is_saved_comes_back(prepared: PreparedSubject, tmp_path: Path):
    path = tmp_path / "deep" / "sub-01.safetensors"
    save_prepared(prepared, path)
    back = load_prepared(path)
    for mine, theirs in ((back.t1, prepared.t1), (back.t2, prepared.t2)):
        for name in ("image", "labels", "affine"):
            np.testing.assert_array_equal(getattr(mine, name), getattr(theirs, name))
    assert (back.name, back.alignment, back.volumes_ml) == (
        prepared.name,
        prepared.alignment,
        prepared.volumes_ml,
    )
    assert [file.name for file in path.parent.iterdir()] == ["sub-01.safetensors"]
    save_prepared(replace(prepared, t2=None), path)
    assert load_prepared(path).t2 is None


def test_a_damaged_file_is_refused(prepared: PreparedSubject, tmp_path: Path):
    path = tmp_path / "sub-01.safetensors"
    save_prepared(prepared, path)
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], whole[:5], b"", b"PK" * 100):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"sub-01\.safetensors: not a whole file"):
            load_prepared(path)
    path.unlink()
    with pytest.raises(InputError, match=r"sub-01\.safetensors"):
        load_prepared(path)


def test_a_file_of_another_format_version_is_refused(prepared: PreparedSubject, tmp_path: Path):
    path = tmp_path / "sub-01.safetensors"
    save_prepared(prepared, path)
    path.write_bytes(path.read_bytes().replace(b'format_version\\": 3', b'format_version\\": 7'))
    with pytest.raises(InputError, match="format version 7, expected 3"):
        load_prepared(path)


@pytest.mark.parametrize("voxel_mm", [1e-300, 1e-3, 60.0, 1e300])
def test_voxels_that_no_grid_can_have_are_refused_before_it_is_made(
    subjects: list[Subject], voxel_mm: float
) -> None:
    settings = replace(DEMO, voxel_mm=(voxel_mm, 4.0, 4.5), registration="none")
    with pytest.raises(InputError, match=r"preparation\.voxel_mm: found"):
        prepare_subject(subjects[0], settings)
