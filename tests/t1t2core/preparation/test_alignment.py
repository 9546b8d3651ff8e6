"""A CT or label map that does not lie where it should is noticed, and one that does is not refused."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from t1t2core.cohort.phantom import write_phantom
from t1t2core.cohort.scan import read_scan
from t1t2core.preparation.alignment import Alignment, align, judge, measure
from t1t2core.preparation.anatomy import Anatomy, ct_anatomy, label_anatomy, mr_anatomy
from t1t2core.preparation.grid import LPS_TO_RAS, resample, to_array, to_image, to_ras
from t1t2core.preparation.labels import threshold
from t1t2core.settings import PreparationSettings


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_phantom(
        tmp_path_factory.mktemp("heads") / "phantom", subjects=2, with_t2w=2, voxel_mm=3.0, seed=4
    )


@cache
def read_mr(folder: Path, name: str, sequence: str) -> Anatomy:
    return mr_anatomy(read_scan(folder / name / f"anat/{name}_{sequence}.nii.gz"))


def read_hu(folder: Path, name: str) -> sitk.Image:
    return to_ras(read_scan(folder / name / f"ct/{name}_ct.nii.gz"))


@cache
def read_ct(folder: Path, name: str) -> Anatomy:
    return ct_anatomy(read_hu(folder, name))


def flipped(image: sitk.Image, axis: int) -> sitk.Image:
    """The voxels in reverse order along an axis, the header as it was."""
    return to_image(np.flip(to_array(image), axis), image)


def thick(ct: sitk.Image, slices: int) -> sitk.Image:
    """Each `slices` axial slices averaged to one."""
    hu = to_array(ct)
    count = hu.shape[2] // slices
    averaged = hu[:, :, : count * slices].reshape(*hu.shape[:2], count, slices).mean(axis=3)
    image = sitk.GetImageFromArray(averaged.transpose(2, 1, 0))
    image.SetDirection(ct.GetDirection())
    image.SetSpacing([*ct.GetSpacing()[:2], ct.GetSpacing()[2] * slices])
    image.SetOrigin(ct.TransformContinuousIndexToPhysicalPoint([0.0, 0.0, (slices - 1) / 2]))
    return image


def truth(folder: Path, name: str, sequence: str) -> sitk.AffineTransform:
    matrix = np.array(
        json.loads((folder / name / f"ct/{name}_ct.json").read_text(encoding="utf-8"))[f"{sequence}ToCT"]
    )
    matrix = LPS_TO_RAS @ matrix @ LPS_TO_RAS
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(matrix[:3, :3].ravel().tolist())
    transform.SetTranslation(matrix[:3, 3].tolist())
    return transform


def judged(mr: Anatomy, ct: Anatomy, to_ct: sitk.Transform) -> Alignment:
    return judge(measure(mr, ct, to_ct), "none", to_ct)


def found(mr: Anatomy, ct: Anatomy) -> Alignment:
    return align(mr, ct, "rigid")[1]


@pytest.mark.parametrize("sequence", ["T1w", "T2w"])
def test_the_truth_is_good_and_8_mm_from_it_is_not(folder: Path, sequence: str):
    mr, ct, there = (
        read_mr(folder, "sub-01", sequence),
        read_ct(folder, "sub-01"),
        truth(folder, "sub-01", sequence),
    )
    assert judged(mr, ct, there).ok
    for axis in range(3):
        shift = sitk.TranslationTransform(3, (8.0 * np.eye(3)[axis]).tolist())
        beside = judged(mr, ct, sitk.CompositeTransform([shift, there]))
        assert not beside.ok
        assert "sub-" not in beside.reason
        assert beside.reason


def test_somebody_else_s_ct(folder: Path):
    assert not found(read_mr(folder, "sub-01", "T1w"), read_ct(folder, "sub-02")).ok


@pytest.mark.parametrize(("axis", "sequence"), [(0, "T1w"), (0, "T2w"), (2, "T2w")])
def test_a_ct_mirrored_or_upside_down(folder: Path, axis: int, sequence: str):
    ct = ct_anatomy(flipped(read_hu(folder, "sub-01"), axis))
    alignment = found(read_mr(folder, "sub-01", sequence), ct)
    assert not alignment.ok
    if axis == 0:
        assert "left and right are exchanged" in alignment.reason


@pytest.mark.parametrize("slice_mm", [5.0, 7.0])
def test_a_ct_of_thick_slices_is_judged_by_its_own_resolution(folder: Path, slice_mm: float):
    hu = read_hu(folder, "sub-01")
    slices = round(slice_mm / hu.GetSpacing()[2])
    ct, stranger = (ct_anatomy(thick(read_hu(folder, name), slices)) for name in ("sub-01", "sub-02"))
    mr = read_mr(folder, "sub-01", "T1w")
    to_ct, alignment = align(mr, ct, "rigid")
    assert alignment.ok, alignment.reason
    there = truth(folder, "sub-01", "T1w")
    centre = mr.head.TransformContinuousIndexToPhysicalPoint([n / 2 for n in mr.head.GetSize()])
    assert np.linalg.norm(np.subtract(to_ct.TransformPoint(centre), there.TransformPoint(centre))) < 1.0
    assert not found(mr, stranger).ok


def test_scans_that_do_not_meet(folder: Path):
    away = sitk.TranslationTransform(3, (500.0, 0.0, 0.0))
    alignment = judged(read_mr(folder, "sub-01", "T1w"), read_ct(folder, "sub-01"), away)
    assert not alignment.ok
    assert alignment.measures["overlap"] == 0


def test_two_optimisations_that_disagree(folder: Path):
    mr, ct, there = (
        read_mr(folder, "sub-01", "T1w"),
        read_ct(folder, "sub-01"),
        truth(folder, "sub-01", "T1w"),
    )
    measures = measure(mr, ct, there)
    assert judge(measures | {"restart_mm": 0.4}, "rigid", there).ok
    assert "restart" in judge(measures | {"restart_mm": 5.0}, "rigid", there).reason


@pytest.fixture(scope="module")
def label_map(folder: Path) -> sitk.Image:
    """The classes of sub-01 on a grid of the T1w scan's own axes."""
    scan = read_mr(folder, "sub-01", "T1w").scan
    hu = resample(read_ct(folder, "sub-01").scan, scan, truth(folder, "sub-01", "T1w"))
    return to_image(threshold(to_array(hu), PreparationSettings()), scan)


def moved(image: sitk.Image, *by_mm: float) -> sitk.Image:
    elsewhere = sitk.Image(image)
    elsewhere.SetOrigin(np.add(image.GetOrigin(), by_mm).tolist())
    return elsewhere


def with_identity(image: sitk.Image) -> sitk.Image:
    """As a script writes it that forgets the header: voxels of 1 mm from the origin of the world."""
    bare = sitk.GetImageFromArray(sitk.GetArrayFromImage(image))
    bare.SetDirection(np.diag([-1.0, -1.0, 1.0]).ravel().tolist())
    return bare


def relabelled(*new: int) -> Callable[[sitk.Image], sitk.Image]:
    return lambda image: to_image(np.array(new, np.uint8)[to_array(image)], image)


def on_t1w(folder: Path, label_map: sitk.Image) -> Alignment:
    return align(read_mr(folder, "sub-01", "T1w"), label_anatomy(label_map), "given")[1]


def test_a_label_map_that_lies_on_its_scan(folder: Path, label_map: sitk.Image):
    alignment = on_t1w(folder, label_map)
    assert alignment.ok, alignment.reason
    assert alignment.method == "given"
    assert alignment.measures["offset_mm"] < 1.0
    assert on_t1w(folder, moved(label_map, 1.0, 0.0, 0.5)).ok


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda image: moved(image, 0.0, 5.0, 0.0), "another place near by: offset_mm 5"),
        (lambda image: moved(image, 0.0, 40.0, 0.0), "another place near by: offset_mm 40"),
        (with_identity, "too little of the head"),
        (lambda image: flipped(image, 0), "left and right are exchanged"),
        (lambda image: flipped(image, 1), "another place near by"),
        (lambda image: flipped(image, 2), "outlines of the heads differ"),
        (relabelled(1, 0, 2), "outlines of the heads differ"),
        (relabelled(0, 2, 1), "bone in CT is not dark in MR"),
        (relabelled(2, 1, 0), "outlines of the heads differ"),
        (relabelled(1, 2, 0), "bone in CT is not dark in MR"),
    ],
    ids=[
        *("5 mm off", "40 mm off", "identity", "mirrored", "back to front", "upside down"),
        *("air and soft tissue", "soft tissue and bone", "air and bone", "all three"),
    ],
)
def test_a_label_map_that_does_not_fit_its_scan(
    folder: Path, label_map: sitk.Image, change: Callable[[sitk.Image], sitk.Image], reason: str
):
    alignment = on_t1w(folder, change(label_map))
    assert not alignment.ok
    assert reason in alignment.reason


def test_the_matrix_is_for_ras_points(folder: Path):
    there = truth(folder, "sub-01", "T1w")
    matrix = np.array(judge({}, "rigid", there).to_ct)
    expected = json.loads((folder / "sub-01/ct/sub-01_ct.json").read_text(encoding="utf-8"))["T1wToCT"]
    np.testing.assert_allclose(matrix, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("sharpness", "mirror_ratio", "ok"),
    [
        (1.65, 1.11, True),
        (1.65, 1.06, False),
        (1.52, 1.24, True),
        (1.52, 1.09, False),
        (1.35, 1.24, False),
        (1.65, 0.9, False),
    ],
)
def test_thick_slices_may_be_less_sharp_where_the_mirror_image_fits_clearly_worse(
    sharpness: float, mirror_ratio: float, ok: bool
):
    measures = {"overlap": 1.0, "dice": 0.98, "bone_contrast": 0.95, "restart_mm": 0.1, "offset_mm": 0.0}
    measures |= {"sharpness": sharpness, "mirror_ratio": mirror_ratio}
    assert judge(measures, "rigid", sitk.Euler3DTransform()).ok == ok
    assert judge(measures, "none", sitk.Euler3DTransform()).ok == (ok and sharpness >= 1.6), "or a little off"
