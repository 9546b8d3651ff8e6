"""The built-in digital heads: stable bytes, plausible heads, and transforms that are true."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from t1t2core.cohort import phantom
from t1t2core.cohort.phantom import write_phantom
from t1t2core.cohort.phantom_signal import TISSUES, mprage, turbo_spin_echo
from t1t2core.errors import InputError

TINY: dict[str, Any] = {"subjects": 3, "with_t2w": 2, "voxel_mm": 8.0}
RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


@pytest.fixture(scope="module")
def heads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three heads, all with T2w, at the default voxel size."""
    return write_phantom(tmp_path_factory.mktemp("phantom") / "heads", subjects=3, with_t2w=3)


def read(folder: Path, name: str) -> sitk.Image:
    subject, kind = name.split("_")
    file = folder / subject / ("ct" if kind == "ct" else "anat") / f"{name}.nii.gz"
    return sitk.ReadImage(str(file), sitk.sitkFloat32)


def values(folder: Path, name: str) -> np.ndarray:
    return sitk.GetArrayFromImage(read(folder, name))


def to_ct(folder: Path, subject: str, kind: str) -> np.ndarray:
    sidecar = json.loads((folder / subject / "ct" / f"{subject}_ct.json").read_text(encoding="utf-8"))
    return np.array(sidecar[f"{kind}ToCT"])


def resampled(moving: sitk.Image, fixed: sitk.Image, ras_matrix: np.ndarray, outside: float) -> np.ndarray:
    """`moving` at the voxels of `fixed`; the matrix maps world points (RAS) of `fixed` to `moving`."""
    matrix = RAS_TO_LPS @ ras_matrix @ RAS_TO_LPS
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(matrix[:3, :3].ravel().tolist())
    transform.SetTranslation(matrix[:3, 3].tolist())
    return sitk.GetArrayFromImage(sitk.Resample(moving, fixed, transform, sitk.sitkLinear, outside))


def ct_on(folder: Path, subject: str, kind: str, *, identity: bool = False) -> np.ndarray:
    """The CT at the voxels of the MR scan, by the recorded transform; -3000 where the CT never was."""
    matrix = np.eye(4) if identity else to_ct(folder, subject, kind)
    return resampled(read(folder, f"{subject}_ct"), read(folder, f"{subject}_{kind}"), matrix, -3000.0)


def mutual_information(first: np.ndarray, second: np.ndarray) -> float:
    joint = np.histogram2d(first.ravel(), second.ravel(), bins=48)[0] / first.size
    independent = joint.sum(1, keepdims=True) * joint.sum(0, keepdims=True)
    seen = joint > 0
    return float((joint[seen] * np.log(joint[seen] / independent[seen])).sum())


def largest(mask: np.ndarray) -> np.ndarray:
    labels, count = ndimage.label(mask)
    return labels == 1 + np.argmax(ndimage.sum_labels(mask, labels, range(1, count + 1)))


def head_mask(foreground: np.ndarray) -> np.ndarray:
    """The head with the air in it; slice by slice, since the airways open downwards."""
    closed = ndimage.binary_closing(largest(foreground), iterations=3)
    return np.stack([ndimage.binary_fill_holes(layer) for layer in closed])


def dice(first: np.ndarray, second: np.ndarray) -> float:
    return float(2 * (first & second).sum() / (first.sum() + second.sum()))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}


def test_the_same_call_writes_the_same_bytes(tmp_path: Path) -> None:
    first = contents(write_phantom(tmp_path / "one", **TINY))
    assert first == contents(write_phantom(tmp_path / "two", **TINY))
    assert all(data[4:8] == bytes(4) for name, data in first.items() if name.endswith(".gz")), "time stamps"
    other = contents(write_phantom(tmp_path / "three", **TINY, seed=1))
    assert first["sub-01/anat/sub-01_T1w.nii.gz"] != other["sub-01/anat/sub-01_T1w.nii.gz"]


def test_the_folder_is_a_bids_dataset_that_says_it_is_simulated(tmp_path: Path) -> None:
    folder = write_phantom(tmp_path / "heads", subjects=5, with_t2w=2, voxel_mm=8.0)
    assert json.loads((folder / "dataset_description.json").read_text(encoding="utf-8"))["Simulated"] is True
    assert len(list(folder.glob("sub-*/anat/*_T1w.nii.gz"))) == 5
    assert len(list(folder.glob("sub-*/ct/*_ct.nii.gz"))) == 5
    with_t2w = {path.name.split("_")[0] for path in folder.glob("sub-*/anat/*_T2w.nii.gz")}
    rows = [
        row.split("\t") for row in (folder / "participants.tsv").read_text(encoding="utf-8").splitlines()[1:]
    ]
    assert {name for name, has_t2w in rows if has_t2w == "true"} == with_t2w
    assert len(with_t2w) == 2
    assert "T2wToCT" in json.loads(
        next((folder / min(with_t2w) / "ct").glob("*.json")).read_text(encoding="utf-8")
    )
    assert [path.name for path in tmp_path.iterdir()] == ["heads"]


def test_a_head_does_not_depend_on_how_many_there_are(tmp_path: Path) -> None:
    few = contents(write_phantom(tmp_path / "few", subjects=1, with_t2w=0, voxel_mm=8.0))
    more = contents(write_phantom(tmp_path / "more", **TINY))
    assert few["sub-01/anat/sub-01_T1w.nii.gz"] == more["sub-01/anat/sub-01_T1w.nii.gz"]
    assert few["sub-01/ct/sub-01_ct.nii.gz"] == more["sub-01/ct/sub-01_ct.nii.gz"]


def test_a_whole_folder_is_left_as_it_is_and_a_damaged_one_is_made_again(tmp_path: Path) -> None:
    folder = write_phantom(tmp_path / "heads", **TINY)
    whole = contents(folder)
    times = {f: f.stat().st_mtime_ns for f in folder.rglob("*")}
    write_phantom(folder, **TINY)
    assert times == {f: f.stat().st_mtime_ns for f in folder.rglob("*")}
    (folder / "sub-02" / "ct" / "sub-02_ct.nii.gz").unlink()
    assert contents(write_phantom(folder, **TINY)) == whole
    scan = folder / "sub-01" / "anat" / "sub-01_T1w.nii.gz"
    scan.write_bytes(scan.read_bytes()[:1000])
    assert contents(write_phantom(folder, **TINY)) == whole


def test_an_interrupted_call_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compress = gzip.compress
    calls: list[int] = []

    def fail_late(data: bytes, **options: int) -> bytes:
        calls.append(1)
        if len(calls) > 3:
            raise KeyboardInterrupt
        return compress(data, **options)

    with monkeypatch.context() as patch:
        patch.setattr("gzip.compress", fail_late)
        with pytest.raises(KeyboardInterrupt):
            write_phantom(tmp_path / "heads", **TINY)
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_this_phantom_is_never_replaced(tmp_path: Path) -> None:
    write_phantom(tmp_path / "heads", **TINY)
    with pytest.raises(InputError, match="another phantom cohort"):
        write_phantom(tmp_path / "heads", **TINY, seed=5)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    with pytest.raises(InputError, match="something else"):
        write_phantom(tmp_path / "mine", **TINY)
    assert (tmp_path / "mine" / "notes.txt").read_text(encoding="utf-8") == "keep"


def test_impossible_numbers_are_all_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError) as refusal:
        write_phantom(tmp_path / "heads", subjects=4, with_t2w=5, voxel_mm=0.1, seed=-1)
    assert all(word in str(refusal.value) for word in ("with_t2w: 5", "voxel_mm: 0.1", "seed: -1"))


def test_the_signal_equations_give_the_contrasts_of_the_two_sequences() -> None:
    t1w = {name: mprage(tissue) for name, tissue in TISSUES.items()}
    t2w = {name: turbo_spin_echo(tissue) for name, tissue in TISSUES.items()}
    assert t1w["csf"] < t1w["grey_matter"] < t1w["white_matter"] < t1w["fat"]
    assert t2w["white_matter"] < t2w["grey_matter"] < t2w["csf"]
    assert t2w["fat"] > t2w["grey_matter"]
    assert t1w["air"] == 0
    assert 0 < t1w["cortical_bone"] < 0.05 * t1w["white_matter"]


def test_turbo_spin_echo_by_hand() -> None:
    # 0.70 (1 - exp(-4500/832)) exp(-90/80)
    assert turbo_spin_echo(TISSUES["white_matter"]) == pytest.approx(0.22626, rel=1e-3)


def test_mprage_is_the_steady_state_of_its_pulses() -> None:
    tissue = TISSUES["grey_matter"]
    flip, magnetisation, echo = np.deg2rad(8.0), 1.0, 0.0
    start = 970 - 88 * 7.1

    def recover(value: float, duration: float) -> float:
        return float(1 - (1 - value) * np.exp(-duration / tissue.t1))

    for _ in range(20):
        magnetisation = recover(-magnetisation, start)
        for pulse in range(176):
            echo = magnetisation if pulse == 88 else echo
            magnetisation = recover(magnetisation * np.cos(flip), 7.1)
        magnetisation = recover(magnetisation, 1900 - start - 176 * 7.1)
    expected = tissue.density * abs(echo) * np.sin(flip) * np.exp(-2.3 / tissue.t2)
    assert mprage(tissue) == pytest.approx(expected, rel=1e-6)


def test_subjects_differ_in_shape(heads: Path) -> None:
    bones = [ct_on(heads, f"sub-0{n}", "T1w") > 600 for n in (1, 2, 3)]
    assert all(dice(bones[a], bones[b]) < 0.6 for a, b in ((0, 1), (0, 2), (1, 2)))


@pytest.mark.parametrize("subject", ["sub-01", "sub-02", "sub-03"])
def test_the_ct_has_bone_air_and_soft_tissue_of_an_adult_head(heads: Path, subject: str) -> None:
    image = read(heads, f"{subject}_ct")
    hu, millilitres = sitk.GetArrayFromImage(image), float(np.prod(image.GetSpacing())) / 1000
    assert 350 < (hu > 600).sum() * millilitres < 700
    assert 1200 < np.percentile(hu[hu > 600], 95) < 2200
    assert hu.min() >= -1024
    head = head_mask(hu > -300)
    assert 3000 < head.sum() * millilitres < 5500
    enclosed = (hu < -500) & ndimage.binary_erosion(head, iterations=3)
    assert 30 < enclosed.sum() * millilitres < 250
    labels, count = ndimage.label(enclosed)
    pockets = ndimage.sum_labels(enclosed, labels, range(1, count + 1)) * millilitres
    assert (pockets > 2.5).sum() >= 4, "airways, both maxillary sinuses, sphenoid"
    brain = largest(ndimage.binary_erosion((hu > -20) & (hu < 100), iterations=4))
    assert 0 < np.median(hu[brain]) < 60
    assert 10 < np.std(hu[brain]) < 35


def test_csf_and_grey_matter_change_places_between_t1w_and_t2w(heads: Path) -> None:
    for subject in ("sub-01", "sub-02", "sub-03"):
        medians = {}
        for kind in ("T1w", "T2w"):
            mr, hu = values(heads, f"{subject}_{kind}"), ct_on(heads, subject, kind)
            smooth = ndimage.gaussian_filter(hu, 2.0)
            brain = ndimage.binary_erosion(largest((smooth > -10) & (smooth < 70)), iterations=2)
            medians[kind] = [np.median(mr[brain & mask]) for mask in (smooth < 16, abs(smooth - 28) < 2)]
        assert medians["T1w"][0] < 0.7 * medians["T1w"][1]
        assert medians["T2w"][0] > 1.3 * medians["T2w"][1]


@pytest.mark.parametrize("kind", ["T1w", "T2w"])
def test_the_recorded_transform_aligns_the_ct_with_the_mr(heads: Path, kind: str) -> None:
    for subject in ("sub-01", "sub-02", "sub-03"):
        mr, hu = values(heads, f"{subject}_{kind}"), ct_on(heads, subject, kind)
        seen = hu > -2000
        soft = np.median(mr[(hu > 0) & (hu < 60)])
        in_ct, in_mr = head_mask(hu > -300), head_mask(mr > 0.25 * np.median(mr[hu > 0])) & seen
        assert dice(in_ct, in_mr) > 0.95
        assert np.median(mr[hu > 1000]) < 0.5 * soft
        assert np.median(mr[seen & (hu < -900)]) < 0.15 * soft
        moved = ct_on(heads, subject, kind, identity=True)
        assert np.median(mr[moved > 1000]) > 1.2 * np.median(mr[hu > 1000])


def test_t2w_is_a_little_off_against_t1w_as_recorded(heads: Path) -> None:
    for subject in ("sub-01", "sub-02", "sub-03"):
        t1w, t2w = read(heads, f"{subject}_T1w"), read(heads, f"{subject}_T2w")
        t2w_to_t1w = np.linalg.inv(to_ct(heads, subject, "T1w")) @ to_ct(heads, subject, "T2w")
        true, untold, wrong = (
            mutual_information(resampled(t1w, t2w, matrix, 0.0), sitk.GetArrayFromImage(t2w))
            for matrix in (t2w_to_t1w, np.eye(4), np.linalg.inv(t2w_to_t1w))
        )
        assert true > untold > wrong


def test_bone_is_dark_like_air_but_not_the_same(heads: Path) -> None:
    for kind in ("T1w", "T2w"):
        mr, hu = values(heads, f"sub-01_{kind}"), ct_on(heads, "sub-01", kind)
        soft, bone, air = (np.median(mr[m]) for m in ((hu > 0) & (hu < 60), hu > 1000, abs(hu + 1000) < 60))
        assert 1.5 * air < bone < 0.5 * soft


def test_the_ct_is_off_by_no_more_than_said(heads: Path) -> None:
    for subject in ("sub-01", "sub-02", "sub-03"):
        t1w, t2w = to_ct(heads, subject, "T1w"), to_ct(heads, subject, "T2w")
        for matrix, most_mm, most_degrees in ((t1w, 10, 6), (np.linalg.inv(t1w) @ t2w, 1.5, 1)):
            np.testing.assert_allclose(matrix[:3, :3] @ matrix[:3, :3].T, np.eye(3), atol=1e-12)
            angle = np.degrees(np.arccos(np.clip((np.trace(matrix[:3, :3]) - 1) / 2, -1, 1)))
            assert 0 < angle <= most_degrees + 1e-6
            assert 0 < np.linalg.norm(matrix[:3, 3]) <= most_mm + 1e-6


def test_scale_differs_from_scan_to_scan_and_the_head_holder_is_in_the_ct(heads: Path) -> None:
    levels = [np.percentile(values(heads, f"sub-0{n}_T1w"), 90) for n in (1, 2, 3)]
    assert max(levels) > 1.1 * min(levels)
    for subject in ("sub-01", "sub-02", "sub-03"):
        hu = values(heads, f"{subject}_ct")
        labels, count = ndimage.label(hu > -300)
        sizes = np.sort(ndimage.sum_labels(hu > -300, labels, range(1, count + 1)))
        assert sizes[-2] > 10_000, "the plate is a body of its own"


def test_more_heads_than_any_study_has_are_not_begun(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at most 1000"):
        write_phantom(tmp_path / "heads", subjects=10**9, with_t2w=3)
    assert list(tmp_path.iterdir()) == []


def test_one_that_another_process_has_put_there_meanwhile_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which may be reading it: drivers that begin together make the same heads."""
    folder = tmp_path / "phantom"
    real, seen = phantom._write_dataset, []

    def slow(temporary: Path, plan: Any) -> None:
        if not seen:
            seen.append(None)
            write_phantom(folder, **TINY)  # the faster one
            seen.append(folder.stat().st_ino)
        real(temporary, plan)

    monkeypatch.setattr(phantom, "_write_dataset", slow)
    write_phantom(folder, **TINY)
    assert folder.stat().st_ino == seen[-1]
    assert [path.name for path in tmp_path.iterdir()] == ["phantom"]
