"""A user has a BIDS folder: the scans are found, and what is ambiguous or missing is named at once."""

import json
from pathlib import Path

import pytest

from t1t2core.cohort.bids import read_bids
from t1t2core.errors import InputError

BRAINWEB = Path(__file__).parents[1].parent / "shared/data/brainweb-bids"


def add(root: Path, *names: str) -> Path:
    """Put empty scans into the folder; only their names matter here."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def scans(subject: str, *suffixes: str, session: str | None = None) -> list[str]:
    level, stem = (f"{subject}/ses-{session}", f"{subject}_ses-{session}") if session else (subject, subject)
    return [f"{level}/{'ct' if s == 'ct' else 'anat'}/{stem}_{s}.nii.gz" for s in suffixes]


def test_a_plain_folder(tmp_path: Path) -> None:
    root = add(tmp_path / "heads", *scans("sub-02", "T1w", "ct"), *scans("sub-01", "T1w", "T2w", "ct"))
    add(
        root, "sub-01/anat/sub-01_T1w.json", "sub-01/anat/._sub-01_T1w.nii.gz", "sub-01/anat/sub-01_FLAIR.nii"
    )
    cohort = read_bids(root)
    assert [subject.name for subject in cohort.subjects] == ["sub-01", "sub-02"]
    assert [subject.name for subject in cohort.with_t2w] == ["sub-01"]
    assert cohort.subjects[0].ct == root / "sub-01/ct/sub-01_ct.nii.gz"
    assert cohort.name == "heads"
    assert not cohort.simulated


def test_the_description_names_the_cohort_and_says_that_it_is_simulated(tmp_path: Path) -> None:
    root = add(tmp_path, *scans("sub-01", "T1w", "T2w", "ct"))
    description = root / "dataset_description.json"
    description.write_text(json.dumps({"Name": "Made heads", "Simulated": True}))
    assert (read_bids(root).name, read_bids(root).simulated) == ("Made heads", True)
    description.write_text("{")
    with pytest.raises(InputError, match="not a JSON file"):
        read_bids(root)


def test_several_sessions_need_a_choice(tmp_path: Path) -> None:
    root = add(
        tmp_path,
        *scans("sub-01", "T1w", "T2w", "ct", session="pre"),
        *scans("sub-01", "T1w", "ct", session="post"),
        *scans("sub-02", "T1w", "ct"),
    )
    with pytest.raises(InputError) as refusal:
        read_bids(root)
    assert "sub-01: has sessions post, pre: choose with `cohort: {session: ...}`" in str(refusal.value)
    assert "sub-02" not in str(refusal.value)
    for choice in ("pre", "ses-pre"):
        chosen = read_bids(root, session=choice).subjects
        assert chosen[0].t1w.name == "sub-01_ses-pre_T1w.nii.gz"
        assert chosen[1].t1w.name == "sub-02_T1w.nii.gz"
    with pytest.raises(InputError, match="did you mean 'pre'"):
        read_bids(root, session="prae")


def test_scans_of_two_sessions_are_never_mixed(tmp_path: Path) -> None:
    root = add(
        tmp_path,
        *scans("sub-01", "T1w", "ct", session="pre"),
        *scans("sub-01", "T1w", "T2w", "ct", session="post"),
        *scans("sub-02", "T1w", "T2w", "ct", session="pre"),
    )
    assert read_bids(root, session="pre").subjects[0].t2w is None


def test_several_runs_need_a_choice(tmp_path: Path) -> None:
    root = add(tmp_path, *scans("sub-01", "T2w", "ct"))
    add(root, "sub-01/anat/sub-01_run-01_T1w.nii.gz", "sub-01/anat/sub-01_run-02_T1w.nii.gz")
    with pytest.raises(
        InputError, match=r"sub-01: T1w: has runs 01, 02: choose with `cohort: \{run: \.\.\.\}`"
    ):
        read_bids(root)
    for choice in ("2", "02", "run-2"):
        assert read_bids(root, run=choice).subjects[0].t1w.name == "sub-01_run-02_T1w.nii.gz"
    with pytest.raises(InputError, match="'3'"):
        read_bids(root, run="3")


def test_scans_that_no_setting_tells_apart_are_refused(tmp_path: Path) -> None:
    root = add(tmp_path, *scans("sub-01", "T1w", "T2w", "ct"))
    add(root, "sub-01/anat/sub-01_acq-fast_T1w.nii.gz")
    with pytest.raises(
        InputError, match=r"several scans, one is expected: sub-01_T1w\.nii\.gz, sub-01_acq-fast"
    ):
        read_bids(root)


def test_all_incomplete_subjects_are_named_at_once_with_the_way_out(tmp_path: Path) -> None:
    root = add(
        tmp_path, *scans("sub-01", "T2w"), *scans("sub-02", "T1w"), *scans("sub-03", "T1w", "T2w", "ct")
    )
    with pytest.raises(InputError) as refusal:
        read_bids(root)
    text = str(refusal.value)
    assert "sub-01: no T1w (anat/*_T1w.nii.gz); no ct (ct/*_ct.nii.gz)" in text
    assert "sub-02: no ct" in text
    assert "cohort: {exclude: [sub-01, sub-02]}" in text
    assert [subject.name for subject in read_bids(root, exclude=["sub-01", "sub-02"]).subjects] == ["sub-03"]
    with pytest.raises(InputError, match="'sub-3' is no subject of this cohort; did you mean 'sub-03'"):
        read_bids(root, exclude=["sub-3"])


def test_a_scan_in_another_subjects_folder_is_found(tmp_path: Path) -> None:
    root = add(tmp_path, *scans("sub-01", "T1w", "ct"), "sub-01/anat/sub-02_T2w.nii.gz")
    with pytest.raises(InputError, match=r"sub-01: sub-02_T2w\.nii\.gz lies in its folder"):
        read_bids(root)


def test_a_folder_that_is_not_bids_or_has_no_t2w(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a BIDS folder"):
        read_bids(tmp_path)
    with pytest.raises(InputError, match="none of 1 subjects has a T2w scan"):
        read_bids(add(tmp_path, *scans("sub-01", "T1w", "ct")))


@pytest.mark.skipif(not BRAINWEB.is_dir(), reason="the BrainWeb cohort is not on this machine")
def test_the_brainweb_cohort() -> None:
    cohort = read_bids(BRAINWEB)
    assert (len(cohort.subjects), len(cohort.with_t2w), cohort.simulated) == (20, 14, True)


@pytest.mark.parametrize("text", ["[" * 100_000, "1" * 5000, "[]", '{"Name": [1]}', '{"Name": 5}', "\xff"])
def test_a_description_that_says_nothing_usable_is_refused(tmp_path: Path, text: str) -> None:
    add(tmp_path, "sub-01/anat/sub-01_T1w.nii", "sub-01/anat/sub-01_T2w.nii", "sub-01/ct/sub-01_ct.nii")
    (tmp_path / "dataset_description.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=r"dataset_description\.json"):
        read_bids(tmp_path)


def test_a_datasets_name_is_kept_to_one_line(tmp_path: Path) -> None:
    add(tmp_path, "sub-01/anat/sub-01_T1w.nii", "sub-01/anat/sub-01_T2w.nii", "sub-01/ct/sub-01_ct.nii")
    description = {"Name": " Heads\x1b[2J\nof 2020\ud800 " + "x" * 5000}
    (tmp_path / "dataset_description.json").write_text(json.dumps(description), encoding="utf-8")
    name = read_bids(tmp_path).name
    assert name.startswith("Heads [2J of 2020")
    assert name.isprintable()
    assert len(name) <= 200


def test_links_to_nothing_and_names_too_long_are_named_with_their_subject(tmp_path: Path) -> None:
    add(tmp_path, "sub-01/anat/sub-01_T2w.nii", "sub-01/ct/sub-01_ct.nii")
    (tmp_path / "sub-01/anat/sub-01_T1w.nii").symlink_to("nothing.nii")
    long = f"sub-{'x' * 120}"
    add(tmp_path, f"{long}/anat/{long}_T1w.nii", f"{long}/ct/{long}_ct.nii")
    with pytest.raises(InputError) as caught:
        read_bids(tmp_path)
    assert "sub-01_T1w.nii is neither file nor folder" in str(caught.value)
    assert "a name has at most 100 characters" in str(caught.value)
