"""A user names a cohort: it is read from wherever it lies, and all broken scans are named at once."""

import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from t1t2core.cohort.check import check_cohort
from t1t2core.cohort.read import read_cohort
from t1t2core.cohort.subject import Subject
from t1t2core.errors import InputError
from t1t2core.settings import CohortSettings

BRAINWEB = Path(__file__).parents[1].parent / "shared/data/brainweb-bids"
SHAPE = (24, 24, 12)


def ct_voxels(seed: int) -> np.ndarray:
    """A skull around soft tissue in air, HU."""
    axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
    radius = np.sqrt(sum(axis**2 for axis in axes))
    hu = np.select([radius < 0.8, radius < 0.9], [40, 1000], -1000)
    return (hu + np.random.default_rng(seed).normal(0, 10, SHAPE)).astype(np.int16)


def mr_voxels(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 500, SHAPE).astype(np.int16)


def save(path: Path, voxels: np.ndarray, *, origin: float = 0.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    affine = np.diag([8.0, 8, 10, 1])
    affine[:3, 3] = origin
    nib.save(nib.Nifti1Image(voxels, affine), path)
    return path


@pytest.fixture
def bids(tmp_path: Path) -> Path:
    """Four subjects, each with all three scans."""
    for number in range(1, 5):
        stem = tmp_path / f"heads/sub-{number:02}"
        save(stem / f"anat/sub-{number:02}_T1w.nii.gz", mr_voxels(number))
        save(stem / f"anat/sub-{number:02}_T2w.nii.gz", mr_voxels(100 + number))
        save(stem / f"ct/sub-{number:02}_ct.nii.gz", ct_voxels(number))
    return tmp_path / "heads"


def test_a_sound_cohort_passes(bids: Path) -> None:
    cohort = read_cohort(bids, CohortSettings(exclude=("sub-04",)))
    assert [subject.name for subject in cohort.subjects] == ["sub-01", "sub-02", "sub-03"]
    check_cohort(cohort)


def test_all_broken_subjects_are_named_at_once_with_the_line_that_leaves_them_out(bids: Path) -> None:
    t1 = bids / "sub-01/anat/sub-01_T1w.nii.gz"
    t1.write_bytes(t1.read_bytes()[:500])
    save(bids / "sub-02/ct/sub-02_ct.nii.gz", mr_voxels(7))
    save(bids / "sub-02/anat/sub-02_T2w.nii.gz", np.zeros(SHAPE, np.int16))
    with pytest.raises(InputError) as refusal:
        check_cohort(read_cohort(bids, CohortSettings()))
    text = str(refusal.value)
    assert f"sub-01: t1w ({t1}): damaged or cut short" in text
    assert "sub-02: t2w" in text
    assert "empty: every voxel is 0" in text
    assert "sub-02: ct" in text
    assert "found values 0 to 499" in text
    assert "cohort: {exclude: [sub-01, sub-02]}" in text
    assert "sub-03" not in text
    check_cohort(read_cohort(bids, CohortSettings(exclude=("sub-01", "sub-02"))))


def test_one_scan_under_two_names_is_found_in_whatever_format(bids: Path) -> None:
    save(bids / "sub-03/anat/sub-03_T1w.nii.gz", mr_voxels(1).astype(np.float32))
    with pytest.raises(InputError, match="sub-03: t1w is the same image as t1w of sub-01"):
        check_cohort(read_cohort(bids, CohortSettings()))


def test_labels_must_lie_on_their_scan(tmp_path: Path) -> None:
    labels = np.digitize(ct_voxels(1), [-500, 600]).astype(np.uint8)
    for name in ("t1", "t2"):
        save(tmp_path / f"{name}.nii", mr_voxels(int(name[1])))
        save(tmp_path / f"{name}_labels.nii", labels)
    table = tmp_path / "heads.csv"
    table.write_text("subject,t1w,t2w,labels_t1w,labels_t2w\n7,t1.nii,t2.nii,t1_labels.nii,t2_labels.nii\n")
    check_cohort(read_cohort(table, CohortSettings()))
    save(tmp_path / "t2_labels.nii", labels, origin=300.0)
    with pytest.raises(InputError, match="lies beside its t2w scan") as refusal:
        check_cohort(read_cohort(table, CohortSettings()))
    assert 'cohort: {exclude: ["7"]}' in str(refusal.value)


def test_a_cohort_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such cohort"):
        read_cohort(tmp_path / "nowhere", CohortSettings())
    (tmp_path / "heads.xlsx").touch()
    with pytest.raises(InputError, match=r"BIDS folder or a \.csv table"):
        read_cohort(tmp_path / "heads.xlsx", CohortSettings())


def test_an_unknown_name_under_exclude_is_refused_with_the_nearest(bids: Path) -> None:
    with pytest.raises(InputError, match="'sub-4' is no subject of this cohort; did you mean 'sub-04'"):
        read_cohort(bids, CohortSettings(exclude=("sub-4",)))


@pytest.mark.skipif(not BRAINWEB.is_dir(), reason="the BrainWeb cohort is not on this machine")
def test_the_brainweb_cohort_is_sound() -> None:
    check_cohort(read_cohort(BRAINWEB, CohortSettings()))


@pytest.mark.parametrize("name", ["x" * 300, "x" * 300 + ".csv", "loop", "dangling.csv", "pipe.csv"])
def test_a_name_that_can_be_no_cohort_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "dangling.csv").symlink_to("nothing")
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(InputError, match="there is no such cohort"):
        read_cohort(tmp_path / name, CohortSettings())


def test_what_lies_in_a_dicom_folder_beside_its_slices_does_not_stop_the_fingerprint(tmp_path: Path) -> None:
    folder = tmp_path / "dicom"
    (folder / "below").mkdir(parents=True)
    (folder / "1.dcm").write_bytes(b"slice")
    alone = Subject(name="p01", t1w=folder).fingerprint
    (folder / "2.dcm").symlink_to("nothing")
    os.mkfifo(folder / "pipe")
    assert Subject(name="p01", t1w=folder).fingerprint == alone


def test_a_scan_that_went_away_after_it_was_found_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"t1\.nii: there is no such file"):
        assert Subject(name="p01", t1w=tmp_path / "t1.nii").fingerprint
