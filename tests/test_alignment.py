"""A CT that does not lie where it should is noticed, and one that does is not refused."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from t1t2core.cohort.phantom import write_phantom
from t1t2core.cohort.scan import read_scan
from t1t2core.preparation.alignment import Alignment, given, judge, measure
from t1t2core.preparation.grid import LPS_TO_RAS, to_ras
from t1t2core.preparation.head import ct_head, mr_head, remove_table
from t1t2core.preparation.registration import register


@dataclass
class Scan:
    image: sitk.Image
    head: sitk.Image


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_phantom(
        tmp_path_factory.mktemp("heads") / "phantom", subjects=2, with_t2w=2, voxel_mm=3.0, seed=4
    )


def read_mr(folder: Path, name: str, sequence: str) -> Scan:
    image = to_ras(read_scan(folder / name / f"anat/{name}_{sequence}.nii.gz"))
    return Scan(image, mr_head(image))


def read_ct(folder: Path, name: str) -> Scan:
    image = to_ras(read_scan(folder / name / f"ct/{name}_ct.nii.gz"))
    head = ct_head(image)
    return Scan(remove_table(image, head), head)


def truth(folder: Path, name: str, sequence: str) -> sitk.AffineTransform:
    matrix = np.array(
        json.loads((folder / name / f"ct/{name}_ct.json").read_text(encoding="utf-8"))[f"{sequence}ToCT"]
    )
    matrix = LPS_TO_RAS @ matrix @ LPS_TO_RAS
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(matrix[:3, :3].ravel().tolist())
    transform.SetTranslation(matrix[:3, 3].tolist())
    return transform


def judged(mr: Scan, ct: Scan, to_ct: sitk.Transform) -> Alignment:
    return judge(measure(mr.image, ct.image, mr.head, ct.head, to_ct), "none", to_ct)


def found(mr: Scan, ct: Scan) -> Alignment:
    return judged(mr, ct, register(mr.image, ct.image, mr.head, ct.head).to_ct)


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


def test_a_ct_upside_down(folder: Path):
    ct = read_ct(folder, "sub-01")
    for name in ("image", "head"):
        upright = getattr(ct, name)
        flipped = sitk.Flip(upright, [False, False, True])
        flipped.CopyInformation(upright)
        setattr(ct, name, flipped)
    assert not found(read_mr(folder, "sub-01", "T2w"), ct).ok


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
    measures = measure(mr.image, ct.image, mr.head, ct.head, there)
    assert judge(measures | {"restart_mm": 0.4}, "rigid", there).ok
    assert "restart" in judge(measures | {"restart_mm": 5.0}, "rigid", there).reason


def test_label_maps_that_came_with_the_scan_are_taken_at_their_word():
    assert given().ok
    assert given().method == "given"


def test_the_matrix_is_for_ras_points(folder: Path):
    there = truth(folder, "sub-01", "T1w")
    matrix = np.array(judge({}, "rigid", there).to_ct)
    expected = json.loads((folder / "sub-01/ct/sub-01_ct.json").read_text(encoding="utf-8"))["T1wToCT"]
    np.testing.assert_allclose(matrix, expected, atol=1e-6)
