"""All scans of a cohort are checked before anything is spent, and no patient is there twice."""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from t1t2core.cohort.check import Examined, Task, check_cohort
from t1t2core.cohort.known_scans import KnownScans, content_key
from t1t2core.cohort.read import read_cohort
from t1t2core.cohort.subject import Subject
from t1t2core.errors import InputError
from t1t2core.settings import CohortSettings

BRAINWEB = Path(__file__).parents[3].parent / "shared/data/brainweb-bids"
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


@pytest.mark.skipif(not BRAINWEB.is_dir(), reason="the BrainWeb cohort is not on this machine")
def test_the_brainweb_cohort_is_sound() -> None:
    check_cohort(read_cohort(BRAINWEB, CohortSettings()))


def test_a_scan_that_went_away_after_it_was_found_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"t1\.nii: there is no such file"):
        assert Subject(name="p01", t1w=tmp_path / "t1.nii").fingerprint


def write_detached(folder: Path, voxels: np.ndarray) -> Path:
    """A MetaImage whose voxels lie in a file of their own."""
    folder.mkdir(exist_ok=True)
    image = sitk.GetImageFromArray(voxels.T)
    image.SetSpacing((8.0, 8.0, 10.0))
    sitk.WriteImage(image, str(folder / "scan.mhd"))
    return folder / "scan.mhd"


def test_a_scan_is_known_by_its_voxels_also_where_they_lie_beside_its_header(tmp_path: Path) -> None:
    first, second = (write_detached(tmp_path / str(n), mr_voxels(n)) for n in (1, 2))
    assert first.read_bytes() == second.read_bytes()
    before = Subject(name="p01", t1w=first).fingerprint
    assert before != Subject(name="p01", t1w=second).fingerprint
    write_detached(tmp_path / "1", mr_voxels(3))
    assert before != Subject(name="p01", t1w=first).fingerprint


def test_a_scan_is_the_same_whatever_its_name_place_and_compression(tmp_path: Path) -> None:
    plain = save(tmp_path / "a.nii", mr_voxels(1))
    packed = save(tmp_path / "elsewhere/b.nii.gz", mr_voxels(1))
    assert Subject(name="p01", t1w=plain).fingerprint == Subject(name="p02", t1w=packed).fingerprint
    moved = save(tmp_path / "c.nii", mr_voxels(1), origin=5.0)
    assert Subject(name="p01", t1w=plain).fingerprint != Subject(name="p01", t1w=moved).fingerprint


@pytest.mark.parametrize("change", ["moved", "flipped", "as a MetaImage"])
def test_a_scan_saved_with_another_header_is_still_found(bids: Path, tmp_path: Path, change: str) -> None:
    copy = bids / "sub-03/anat/sub-03_T2w.nii.gz"
    if change == "moved":
        save(copy, mr_voxels(101), origin=40.0)
    elif change == "flipped":
        save(copy, mr_voxels(101)[::-1, :, :])
    else:
        copy.unlink()
        detached = write_detached(tmp_path / "anew", mr_voxels(101))
        sitk.WriteImage(sitk.ReadImage(str(detached)), str(copy))
    with pytest.raises(InputError, match="sub-03: t2w is the same image as t2w of sub-01"):
        check_cohort(read_cohort(bids, CohortSettings()))


def test_what_was_read_before_is_not_read_again_until_it_changes(bids: Path, tmp_path: Path) -> None:
    read: list[Path] = []

    def each(examine: Callable[[Task], Examined], tasks: Sequence[Task]) -> Iterator[Examined]:
        read.extend(task.path for task in tasks)
        return map(examine, tasks)

    cohort = read_cohort(bids, CohortSettings())
    known = tmp_path / "scans.json"
    first = check_cohort(cohort, KnownScans(known), each=each)
    assert len(read) == 12
    read.clear()
    again = check_cohort(cohort, KnownScans(known), each=each)
    assert read == []
    assert again.fingerprint == first.fingerprint == cohort.fingerprint
    changed = save(bids / "sub-02/anat/sub-02_T1w.nii.gz", mr_voxels(50))
    assert check_cohort(cohort, KnownScans(known), each=each).fingerprint != first.fingerprint
    assert read == [changed]


def test_a_copy_of_a_patient_who_was_read_before_is_found_and_a_broken_scan_each_time(
    bids: Path, tmp_path: Path
) -> None:
    known = tmp_path / "scans.json"
    check_cohort(read_cohort(bids, CohortSettings()), KnownScans(known))
    shutil.copytree(bids / "sub-01", bids / "sub-77")
    for path in sorted((bids / "sub-77").glob("*/*")):
        path.rename(path.with_name(path.name.replace("sub-01", "sub-77")))
    for _ in range(2):
        with pytest.raises(InputError, match="sub-77: t1w is the same image as t1w of sub-01"):
            check_cohort(read_cohort(bids, CohortSettings()), KnownScans(known))
    save(bids / "sub-77/ct/sub-77_ct.nii.gz", mr_voxels(9))
    for _ in range(2):
        with pytest.raises(InputError, match=r"sub-77: ct .* no CT in Hounsfield units"):
            check_cohort(read_cohort(bids, CohortSettings()), KnownScans(known))


@pytest.mark.parametrize("content", ["", "[]", "{", '{"version": 0, "scans": {}}', '{"version": 1}'])
def test_a_file_of_known_scans_that_cannot_be_used_is_made_anew(
    bids: Path, tmp_path: Path, content: str
) -> None:
    known = tmp_path / "scans.json"
    known.write_text(content, encoding="utf-8")
    check_cohort(read_cohort(bids, CohortSettings()), KnownScans(known))
    assert KnownScans(known).find("t1w nothing") is None
    assert '"scans"' in known.read_text(encoding="utf-8")


def test_the_files_of_a_dicom_series_are_those_in_its_folder(tmp_path: Path, bids: Path) -> None:
    folder = tmp_path / "series"
    (folder / "below").mkdir(parents=True)
    (folder / "1.dcm").write_bytes(b"slice")
    before = content_key(folder, "t1w")
    (folder / "2.dcm").symlink_to("nothing")
    os.mkfifo(folder / "pipe")
    assert content_key(folder, "t1w") == before
    (folder / "3.dcm").write_bytes(b"another")
    assert content_key(folder, "t1w") != before
