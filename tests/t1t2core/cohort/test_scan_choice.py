"""A subject has several scans of a kind: the settings say which, and a message says what they must say."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ablation.space.configuration import resolve_settings
from t1t2core.cohort.read import read_cohort
from t1t2core.cohort.subject import Cohort
from t1t2core.errors import InputError
from tests.builders.bids import add, scans


def read(root: Path, *overrides: str, cohort: Mapping[str, Any] | None = None) -> Cohort:
    """As a command with `--set` does, or with a group `cohort` in the search space."""
    space = {"cohort": cohort} if cohort else {}
    return read_cohort(root, resolve_settings("demo", space, "mine.yaml", overrides).cohort)


def refusal(root: Path, *overrides: str) -> str:
    with pytest.raises(InputError) as caught:
        read(root, *overrides)
    return str(caught.value)


def names(cohort: Cohort) -> list[list[str]]:
    return [[path.name for path in subject.scans.values()] for subject in cohort.subjects]


def offered(message: str) -> list[str]:
    """The settings that a message offers, as `--set` takes them."""
    return [part[len("cohort: {") : -1] for part in message.split("`") if part.startswith("cohort: {select")]


@pytest.mark.parametrize(
    ("tags", "asked", "chosen"),
    [
        (("acq-mprage", "acq-space"), "acquisition: mprage", "acq-mprage"),
        (("acq-mprage", "acq-space"), "acq: space", "acq-space"),
        (("acq-mprage", "acq-space"), "acq: acq-space", "acq-space"),
        (("acq-2024", "acq-01"), "acq: 2024", "acq-2024"),
        (("acq-01", "acq-1"), "acq: 01", "acq-01"),
        (("acq-FAST", "acq-fast"), "acq: fast", "acq-fast"),
        (("rec-norm", ""), "reconstruction: norm", "rec-norm"),
        (("rec-norm", ""), "reconstruction: null", ""),
        (("ce-gad", ""), "ceagent: gad", "ce-gad"),
        (("echo-1", "echo-2"), "echo: 02", "echo-2"),
        (("desc-preproc", ""), "description: null", ""),
        (("acq-a_run-1", "acq-a_run-2", "acq-b_run-1"), "acq: a, run: 2", "acq-a_run-2"),
    ],
)
def test_entities_choose(tmp_path: Path, tags: tuple[str, ...], asked: str, chosen: str) -> None:
    files = [f"sub-01{f'_{tag}' if tag else ''}_T1w.nii" for tag in tags]
    root = add(tmp_path, *scans("sub-01", "T2w", "ct"), *(f"sub-01/anat/{file}" for file in files))
    message = refusal(root)
    assert "sub-01: T1w: several scans, one is expected: " in message
    assert all(file in message for file in files)
    cohort = read(root, f"cohort.select={{T1w: {{{asked}}}}}")
    assert cohort.subjects[0].t1w.name == f"sub-01{f'_{chosen}' if chosen else ''}_T1w.nii"
    assert not cohort.left_out


def test_a_setting_that_a_message_offers_can_be_pasted(tmp_path: Path) -> None:
    root = add(tmp_path, *scans("sub-01", "T1w", "T2w", "ct"))
    add(root, "sub-01/anat/sub-01_acq-null_T1w.nii.gz", "sub-01/anat/sub-01_acq-1e5_rec-b_T1w.nii.gz")
    offers = offered(refusal(root))
    assert offers[0] == "select: {T1w: {acquisition: null}}"
    chosen = {read(root, f"cohort.{offer.replace(': ', '=', 1)}").subjects[0].t1w.name for offer in offers}
    assert chosen == {
        "sub-01_T1w.nii.gz",
        "sub-01_acq-null_T1w.nii.gz",
        "sub-01_acq-1e5_rec-b_T1w.nii.gz",
    }


def test_the_magnitude_of_a_complex_image_is_the_scan(tmp_path: Path) -> None:
    parts = [f"sub-01/anat/sub-01_part-{part}_T1w.nii" for part in ("imag", "mag", "phase", "real")]
    root = add(tmp_path, *parts, *scans("sub-01", "T2w", "ct"))
    assert read(root).subjects[0].t1w.name == "sub-01_part-mag_T1w.nii"
    add(root, "sub-02/anat/sub-02_part-phase_T1w.nii", *scans("sub-02", "ct"))
    assert "sub-02: no T1w" in refusal(root)


def test_mr_and_ct_in_sessions_of_their_own_need_no_choice(tmp_path: Path) -> None:
    root = add(tmp_path, *scans("sub-01", "T1w", "T2w", session="mr"), *scans("sub-01", "ct", session="ct"))
    add(root, *scans("sub-02", "T1w", "T2w", session="mr"), *scans("sub-02", "ct"))
    expected = [
        ["sub-01_ses-mr_T1w.nii.gz", "sub-01_ses-mr_T2w.nii.gz", "sub-01_ses-ct_ct.nii.gz"],
        ["sub-02_ses-mr_T1w.nii.gz", "sub-02_ses-mr_T2w.nii.gz", "sub-02_ct.nii.gz"],
    ]
    select = "{T1w: {session: mr}, T2w: {ses: mr}}"
    for overrides in ((), ("cohort.session=mr",), (f"cohort.select={select}",)):
        cohort = read(root, *overrides)
        assert names(cohort) == expected
        assert not cohort.left_out


def test_ct_in_a_session_of_its_own_beside_several_of_the_mr(tmp_path: Path) -> None:
    root = tmp_path
    for session in ("1", "2"):
        add(root, *scans("sub-01", "T1w", "T2w", session=session))
    add(root, *scans("sub-01", "ct", session="ct"))
    assert "has sessions 1, 2: choose with `cohort: {session: ...}`" in refusal(root)
    assert names(read(root, "cohort.session=2")) == [
        ["sub-01_ses-2_T1w.nii.gz", "sub-01_ses-2_T2w.nii.gz", "sub-01_ses-ct_ct.nii.gz"]
    ]
    mixed = {"T1w": {"session": "1"}, "T2w": {"session": "2"}}
    assert names(read(root, cohort={"select": mixed}))[0][:2] == [
        "sub-01_ses-1_T1w.nii.gz",
        "sub-01_ses-2_T2w.nii.gz",
    ]


def test_mr_of_two_sessions_is_never_mixed_unasked(tmp_path: Path) -> None:
    root = add(tmp_path, *scans("sub-01", "T1w", "ct", session="a"), *scans("sub-01", "T2w", session="b"))
    assert "has sessions a, b: choose" in refusal(root)
    select = "cohort.select={T1w: {session: a}, T2w: {session: b}}"
    assert names(read(root, select))[0][1] == "sub-01_ses-b_T2w.nii.gz"


def test_a_ct_of_a_session_that_the_mr_has_too_is_not_used_for_another(tmp_path: Path) -> None:
    root = add(tmp_path, *scans("sub-01", "T1w", "T2w", "ct", session="post"))
    add(root, *scans("sub-01", "T1w", "T2w", session="pre"))
    assert "sub-01 is left out: no ct of session pre (has post)" in refusal(root, "cohort.session=pre")
    cohort = read(root, "cohort.session=pre", "cohort.select={ct: {session: post}}")
    assert names(cohort)[0] == [
        "sub-01_ses-pre_T1w.nii.gz",
        "sub-01_ses-pre_T2w.nii.gz",
        "sub-01_ses-post_ct.nii.gz",
    ]


def test_who_lacks_the_entity_or_run_is_left_out_and_named(tmp_path: Path) -> None:
    root = tmp_path
    for number, tag in (("1", "acq-a_run-1"), ("2", "acq-b_run-1"), ("3", "acq-a_run-2"), ("4", "acq-a")):
        subject = f"sub-0{number}"
        add(root, f"{subject}/anat/{subject}_{tag}_T1w.nii", *scans(subject, "T2w", "ct"))
    cohort = read(root, "cohort.select={T1w: {acq: a}}", "cohort.run=1")
    assert [subject.name for subject in cohort.subjects] == ["sub-01", "sub-04"]
    assert cohort.left_out == {
        "sub-02": "no T1w of acquisition a (has b)",
        "sub-03": "no T1w of run 1 (has 2)",
    }


@pytest.mark.parametrize(
    ("override", "told"),
    [
        (
            "cohort.select={T1w: {aquisition: a}}",
            "'aquisition' is no BIDS entity; did you mean 'acquisition'?",
        ),
        (
            "cohort.select={T1w: {acq: mprag}}",
            "acq is 'mprag', but the scans have mprage, space; did you mean",
        ),
        ("cohort.select={T1w: {acq: MPRAGE}}", "acq is 'MPRAGE', but the scans have mprage, space"),
        ("cohort.select={T2w: {acq: mprage}}", "T2w: acq is 'mprage', but the scans have (none)"),
        ("cohort.select={T1w: {acq: mprage, acquisition: space}}", "two of them are one entity"),
        ("cohort.select={FLAIR: {acq: a}}", "select: FLAIR is none of T1w, T2w, ct"),
        ("cohort.select=mprage", "valid dictionary"),
        ("cohort.run=3", "cohort.run is '3', but the scans have 1, 2"),
    ],
)
def test_what_no_scan_has_is_refused(tmp_path: Path, override: str, told: str) -> None:
    root = add(tmp_path, *scans("sub-01", "T2w", "ct"))
    add(root, *(f"sub-01/anat/sub-01_acq-{acq}_T1w.nii" for acq in ("mprage", "space")))
    add(root, *(f"sub-01/anat/sub-01_acq-mprage_run-{run}_T1w.nii" for run in ("1", "2")))
    assert told in refusal(root, override)


def test_where_there_are_no_sessions_and_runs_there_is_nothing_to_choose(tmp_path: Path) -> None:
    root = add(tmp_path, *scans("sub-01", "T1w", "T2w", "ct"))
    assert read(root, "cohort.run=1", "cohort.session=pre") == read(root)


def test_a_session_is_a_text_and_a_run_a_number(tmp_path: Path) -> None:
    root = add(tmp_path, *scans("sub-01", "T1w", "T2w", "ct", session="01"))
    add(root, *scans("sub-01", "T1w", "T2w", "ct", session="20230401"))
    assert names(read(root, "cohort.session=20230401"))[0][0] == "sub-01_ses-20230401_T1w.nii.gz"
    assert names(read(root, "cohort.session=01"))[0][0] == "sub-01_ses-01_T1w.nii.gz"
    assert "did you mean '01'" in refusal(root, "cohort.session=1")
