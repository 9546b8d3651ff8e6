"""A user has a BIDS folder: the scans are found, and what is ambiguous or missing is named at once."""

import json
from pathlib import Path

import pytest

from t1t2core.cohort.bids import read_bids
from t1t2core.errors import InputError
from t1t2core.settings import CohortSettings
from tests.builders.bids import add, scans

BRAINWEB = Path(__file__).parents[3].parent / "shared/data/brainweb-bids"


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
        chosen = read_bids(root, CohortSettings(session=choice)).subjects
        assert chosen[0].t1w.name == "sub-01_ses-pre_T1w.nii.gz"
        assert chosen[1].t1w.name == "sub-02_T1w.nii.gz"
    with pytest.raises(InputError, match="did you mean 'pre'"):
        read_bids(root, CohortSettings(session="prae"))


def test_scans_of_two_sessions_are_never_mixed(tmp_path: Path) -> None:
    root = add(
        tmp_path,
        *scans("sub-01", "T1w", "ct", session="pre"),
        *scans("sub-01", "T1w", "T2w", "ct", session="post"),
        *scans("sub-02", "T1w", "T2w", "ct", session="pre"),
    )
    assert read_bids(root, CohortSettings(session="pre")).subjects[0].t2w is None


def test_several_runs_need_a_choice(tmp_path: Path) -> None:
    root = add(tmp_path, *scans("sub-01", "T2w", "ct"))
    add(root, "sub-01/anat/sub-01_run-01_T1w.nii.gz", "sub-01/anat/sub-01_run-02_T1w.nii.gz")
    with pytest.raises(
        InputError, match=r"sub-01: T1w: has runs 01, 02: choose with `cohort: \{run: \.\.\.\}`"
    ):
        read_bids(root)
    for choice in ("2", "02", "run-2"):
        assert read_bids(root, CohortSettings(run=choice)).subjects[0].t1w.name == "sub-01_run-02_T1w.nii.gz"
    with pytest.raises(InputError, match="'3'"):
        read_bids(root, CohortSettings(run="3"))


def test_scans_that_no_setting_tells_apart_are_refused(tmp_path: Path) -> None:
    root = add(tmp_path, *scans("sub-01", "T1w", "T2w", "ct"))
    add(root, "sub-01/anat/sub-01_acq-fast_T1w.nii.gz")
    with pytest.raises(
        InputError, match=r"several scans, one is expected: sub-01_T1w\.nii\.gz, sub-01_acq-fast"
    ):
        read_bids(root)
    add(root, "sub-02/anat/sub-02_T1w.nii", *scans("sub-02", "T1w", "ct"))
    with pytest.raises(
        InputError, match=r"sub-02_T1w\.nii, sub-02_T1w\.nii\.gz: no entity of their names tells them apart"
    ):
        read_bids(root, CohortSettings(select={"T1w": {"acquisition": None}}))


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
    assert [
        subject.name for subject in read_bids(root, CohortSettings(exclude=["sub-01", "sub-02"])).subjects
    ] == ["sub-03"]
    with pytest.raises(InputError, match="'sub-3' is no subject of this cohort; did you mean 'sub-03'"):
        read_bids(root, CohortSettings(exclude=["sub-3"]))


def test_who_does_not_have_what_was_asked_for_is_left_out_and_named(tmp_path: Path) -> None:
    root = add(
        tmp_path,
        *scans("sub-01", "T1w", "T2w", "ct", session="pre"),
        *scans("sub-02", "T1w", "T2w", "ct", session="post"),
        *scans("sub-03", "T1w", "T2w", "ct", session="pre"),
        *scans("sub-03", "T1w", session="post"),
        *scans("sub-04", "T1w", "ct", session="pre"),
        *scans("sub-04", "T2w", session="post"),
    )
    cohort = read_bids(root, CohortSettings(session="pre"))
    assert [subject.name for subject in cohort.subjects] == ["sub-01", "sub-03", "sub-04"]
    assert [subject.name for subject in cohort.with_t2w] == ["sub-01", "sub-03"]
    assert cohort.left_out == {
        "sub-02": "no T1w of session pre (has post); no ct of session pre (has post)",
        "T2w of sub-04": "no T2w of session pre (has post)",
    }
    assert (
        read_bids(root, CohortSettings(session="post", exclude=["sub-01", "sub-03"])).subjects[0].name
        == "sub-02"
    )


def test_where_nobody_is_left_the_reasons_are_told(tmp_path: Path) -> None:
    root = add(
        tmp_path, *scans("sub-01", "T1w", "T2w", session="pre"), *scans("sub-01", "ct", session="post")
    )
    add(root, *scans("sub-02", "T1w", "T2w", session="post"), *scans("sub-02", "ct", session="pre"))
    with pytest.raises(InputError) as refusal:
        read_bids(root, CohortSettings(session="pre"))
    assert "none of 0 subjects has a T2w scan" in str(refusal.value)
    assert "sub-01 is left out: no ct of session pre (has post)" in str(refusal.value)
    assert "sub-02 is left out: no T1w of session pre (has post)" in str(refusal.value)


def test_only_the_chosen_scans_must_have_been_fetched(tmp_path: Path) -> None:
    root = add(tmp_path, "sub-01/anat/sub-01_run-1_T1w.nii.gz", *scans("sub-01", "T2w", "ct"))
    (root / "sub-01/anat/sub-01_run-2_T1w.nii.gz").symlink_to("../../.git/annex/objects/gone")
    (root / "sub-01/anat/sub-01_acq-fast_T2w.nii.gz").symlink_to("../../.git/annex/objects/gone")
    add(root, *scans("sub-02", "T1w", "T2w", "ct", session="pre"))
    (root / "sub-02/ses-post").symlink_to("nowhere")
    asked = {"run": "1", "session": "pre", "select": {"T2w": {"acq": None}}}
    assert len(read_bids(root, CohortSettings(**asked)).subjects) == 2  # type: ignore[arg-type]
    with pytest.raises(InputError) as refusal:
        read_bids(root, CohortSettings(run="2", session="pre", select={"T2w": {"acq": "fast"}}))
    for name in ("run-2_T1w", "acq-fast_T2w"):
        link = root / f"sub-01/anat/sub-01_{name}.nii.gz"
        assert f"a link to nothing: run `datalad get {link}` (or `git annex get`)" in str(refusal.value)
    with pytest.raises(
        InputError, match=rf"sub-02: .* link to nothing: run `datalad get {root}/sub-02/ses-post`"
    ):
        read_bids(root, CohortSettings(run="1", select={"T2w": {"acq": None}}))


def test_a_subjects_folder_may_be_a_link_and_is_named_if_it_leads_nowhere(tmp_path: Path) -> None:
    root = add(tmp_path / "heads", *scans("sub-01", "T1w", "T2w", "ct"))
    elsewhere = add(tmp_path / "elsewhere", *scans("sub-02", "T1w", "T2w", "ct"))
    (root / "sub-02").symlink_to(elsewhere / "sub-02")
    (tmp_path / "study").symlink_to(root)
    cohort = read_bids(tmp_path / "study")
    assert [subject.name for subject in cohort.subjects] == ["sub-01", "sub-02"]
    assert cohort.name == "study"
    (root / "sub-03").symlink_to("nowhere")
    (root / "sub-04").mkdir()
    (root / "sub-04/anat").symlink_to("nowhere")
    with pytest.raises(InputError) as refusal:
        read_bids(root)
    assert f"sub-03: a folder of its scans is a link to nothing: run `datalad get {root}/sub-03`" in str(
        refusal.value
    )
    assert f"sub-04: a folder of its scans is a link to nothing: run `datalad get {root}/sub-04/anat`" in str(
        refusal.value
    )
    assert len(read_bids(root, CohortSettings(exclude=["sub-03", "sub-04"])).subjects) == 2


def test_a_description_that_was_not_fetched_is_refused(tmp_path: Path) -> None:
    root = add(tmp_path, *scans("sub-01", "T1w", "T2w", "ct"))
    (root / "dataset_description.json").symlink_to("nowhere")
    with pytest.raises(InputError, match=r"dataset_description\.json: a link to nothing"):
        read_bids(root)


def test_a_scan_in_another_sessions_folder_is_found(tmp_path: Path) -> None:
    root = add(tmp_path, *scans("sub-01", "T2w", "ct", session="pre"))
    add(root, "sub-01/ses-pre/anat/sub-01_ses-post_T1w.nii.gz")
    with pytest.raises(InputError, match=r"sub-01_ses-post_T1w\.nii\.gz lies in ses-pre"):
        read_bids(root)


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
    link = tmp_path / "sub-01/anat/sub-01_T1w.nii"
    assert (
        f"sub-01_T1w.nii is neither file nor folder but a link to nothing: run `datalad get {link}`"
        in str(caught.value)
    )
    assert "a name has at most 100 characters" in str(caught.value)
