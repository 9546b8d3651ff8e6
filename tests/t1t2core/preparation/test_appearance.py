"""A scan without a skull, or of the other sequence, is told from its intensities alone."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from t1t2core.cohort.scan import read_scan
from t1t2core.preparation.appearance import doubts
from t1t2core.settings import Sequence


def head(folder: Path, subject: str, sequence: Sequence) -> sitk.Image:
    return read_scan(folder / subject / "anat" / f"{subject}_{sequence}w.nii.gz")


@pytest.fixture(params=["T1", "T2"])
def sequence(request: pytest.FixtureRequest) -> Sequence:
    chosen: Sequence = request.param
    return chosen


@pytest.fixture
def scan(tiny_heads: Path, sequence: Sequence) -> sitk.Image:
    return head(tiny_heads, subjects_with_t2w(tiny_heads)[0], sequence)


def subjects_with_t2w(folder: Path) -> list[str]:
    return sorted(path.parents[1].name for path in folder.glob("sub-*/anat/*_T2w.nii.gz"))


def test_whole_heads_of_the_sequence_expected_raise_no_doubt(tiny_heads: Path, sequence: Sequence) -> None:
    for subject in subjects_with_t2w(tiny_heads):
        assert doubts(head(tiny_heads, subject, sequence), f"{sequence}w") == []


def test_the_other_sequence_is_noticed_with_the_evidence(scan: sitk.Image, sequence: Sequence) -> None:
    other: Sequence = "T2" if sequence == "T1" else "T1"
    (doubt,) = doubts(scan, f"{other}w")
    assert f"it looks like {sequence}w, not {other}w" in doubt
    assert "times as long as the dark one (T2w: above 1.7)" in doubt


def test_gain_orientation_and_noise_change_nothing(scan: sitk.Image, sequence: Sequence) -> None:
    noise = np.random.default_rng(0).normal(0, 0.02 * sitk.GetArrayViewFromImage(scan).max(), scan.GetSize())
    noisy = sitk.GetImageFromArray(noise.T.astype(np.float32))
    noisy.CopyInformation(scan)
    turned = sitk.PermuteAxes(sitk.Flip(40 * (scan + noisy), [True, False, True]), [2, 0, 1])
    assert doubts(turned, f"{sequence}w") == []


@pytest.mark.parametrize("change", ["z-scored", "shifted"])
def test_where_0_is_changes_nothing(scan: sitk.Image, sequence: Sequence, change: str) -> None:
    values = sitk.GetArrayViewFromImage(scan)
    moved = scan - float(values.mean()) if change == "z-scored" else scan + 2 * float(values.max())
    moved = moved / float(values.std()) if change == "z-scored" else moved
    assert doubts(moved, f"{sequence}w") == []
    other: Sequence = "T2" if sequence == "T1" else "T1"
    assert doubts(moved, f"{other}w") == doubts(scan, f"{other}w")


def test_a_bare_brain_is_noticed(scan: sitk.Image, sequence: Sequence) -> None:
    """Everything but a ball in the brain is black, as after skull stripping."""
    values = sitk.GetArrayFromImage(scan)
    body = ndimage.binary_fill_holes(ndimage.gaussian_filter(values, 1) > 0.1 * values.max())
    padded = ndimage.distance_transform_edt(np.pad(body, 1), sampling=scan.GetSpacing()[::-1])
    depth = padded[1:-1, 1:-1, 1:-1]
    stripped = sitk.GetImageFromArray(np.where(depth > 26, values, 0).astype(np.float32))
    stripped.CopyInformation(scan)
    assert any("it seems to have no skull" in doubt for doubt in doubts(stripped, f"{sequence}w"))


def test_a_scan_with_nothing_as_large_as_a_head_is_noticed() -> None:
    noise = np.random.default_rng(0).uniform(0, 1, (40, 40, 40)).astype(np.float32)
    noise[15:22, 15:22, 15:22] = 100
    (doubt,) = doubts(sitk.GetImageFromArray(noise), "T2w")
    assert "no head was found" in doubt
