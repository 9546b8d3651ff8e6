"""A user names a cohort: it is read from wherever it lies, and all broken scans are named at once."""

import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from t1t2core.cohort.read import read_cohort
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


def test_a_cohort_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such cohort"):
        read_cohort(tmp_path / "nowhere", CohortSettings())
    (tmp_path / "heads.xlsx").touch()
    with pytest.raises(InputError, match=r"BIDS folder or a \.csv table"):
        read_cohort(tmp_path / "heads.xlsx", CohortSettings())


def test_an_unknown_name_under_exclude_is_refused_with_the_nearest(bids: Path) -> None:
    with pytest.raises(InputError, match="'sub-4' is no subject of this cohort; did you mean 'sub-04'"):
        read_cohort(bids, CohortSettings(exclude=("sub-4",)))


@pytest.mark.parametrize("name", ["x" * 300, "x" * 300 + ".csv", "loop", "dangling.csv", "pipe.csv"])
def test_a_name_that_can_be_no_cohort_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "dangling.csv").symlink_to("nothing")
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(InputError, match="there is no such cohort"):
        read_cohort(tmp_path / name, CohortSettings())
