"""What is known of the patients beside their scans."""

from pathlib import Path

import pytest

from t1t2core.cohort.bids import read_bids
from t1t2core.cohort.manifest import read_manifest
from t1t2core.cohort.participants import recorded_columns
from t1t2core.cohort.subject import Cohort
from t1t2core.settings import CohortSettings
from tests.builders.bids import add, scans

NAMES = ("sub-01", "sub-02", "sub-03")


def cohort(folder: Path, *lines: str) -> Cohort:
    """Three patients with all scans, and this `participants.tsv`."""
    add(folder, *(name for subject in NAMES for name in scans(subject, "T1w", "T2w", "ct")))
    (folder / "participants.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return read_bids(folder)


def known(cohort: Cohort) -> dict[str, dict[str, str]]:
    return {subject.name: dict(subject.characteristics) for subject in cohort.subjects}


def test_every_column_is_read_with_and_without_the_prefix_of_bids(tmp_path: Path) -> None:
    found = cohort(tmp_path, "participant_id\tsex\tage", "sub-01\tF\t54", "02\tM\tn/a")
    assert known(found) == {"sub-01": {"sex": "F", "age": "54"}, "sub-02": {"sex": "M"}, "sub-03": {}}
    assert found.warnings == ()


def test_a_folder_without_the_table_is_a_cohort_too(tmp_path: Path) -> None:
    add(tmp_path, *(name for subject in NAMES for name in scans(subject, "T1w", "T2w", "ct")))
    assert known(read_bids(tmp_path)) == {name: {} for name in NAMES}


def test_unknown_subjects_and_repeated_ones_are_named_and_passed_over(tmp_path: Path) -> None:
    found = cohort(
        tmp_path,
        "participant_id\tsite",
        *("sub-01\tA", "sub-02\tA", "sub-02\tB", "sub-98\tA", "sub-99\tB"),
    )
    assert known(found) == {"sub-01": {"site": "A"}, "sub-02": {}, "sub-03": {}}
    assert found.warnings == (
        "participants.tsv has subjects without a folder: sub-98, sub-99",
        "participants.tsv has several lines, none of which is used, of sub-02",
    )


def test_who_is_left_out_on_purpose_is_not_unknown(tmp_path: Path) -> None:
    cohort(tmp_path, "participant_id\tsite", "sub-01\tA", "sub-03\tB")
    assert read_bids(tmp_path, CohortSettings(exclude=["sub-03"])).warnings == ()


@pytest.mark.parametrize("lines", [("name\tsex", "sub-01\tF"), ("participant_id\tsex", "sub-01")])
def test_a_table_that_cannot_be_read_stops_nothing(tmp_path: Path, lines: tuple[str, ...]) -> None:
    found = cohort(tmp_path, *lines)
    assert known(found) == {name: {} for name in NAMES}
    assert len(found.warnings) == 1
    assert found.warnings[0].startswith("participants.tsv is not used: ")


def test_further_columns_of_a_csv_table_are_the_same(tmp_path: Path) -> None:
    for name in ("t1.nii", "t2.nii", "ct.nii"):
        (tmp_path / name).touch()
    table = tmp_path / "mine.csv"
    rows = "subject,t1w,t2w,ct,Site,age\np01,t1.nii,t2.nii,ct.nii,A,61\np02,t1.nii,,ct.nii,n/a,33\n"
    table.write_text(rows, encoding="utf-8")
    assert known(read_manifest(table)) == {"p01": {"Site": "A", "age": "61"}, "p02": {"age": "33"}}


def test_they_change_no_fingerprint(tmp_path: Path) -> None:
    """Results that were recorded before they were known are the same results."""
    found = cohort(tmp_path, "participant_id\tsex", "sub-01\tF")
    assert found.subjects[0] == read_bids(tmp_path).subjects[0]
    (tmp_path / "participants.tsv").unlink()
    assert found.subjects == read_bids(tmp_path).subjects


def test_names_and_identifiers_are_not_written_down(tmp_path: Path) -> None:
    many = [f"sub-{number:02}" for number in range(1, 11)]
    add(tmp_path, *(name for subject in many for name in scans(subject, "T1w", "T2w", "ct")))
    rows = [f"{name}\tF\t{number + 40}.5\tperson {number}" for number, name in enumerate(many)]
    text = "\n".join(["participant_id\tsex\tage\tinitials", *rows])
    (tmp_path / "participants.tsv").write_text(text, encoding="utf-8")
    assert recorded_columns(read_bids(tmp_path).subjects) == ["sex", "age"]
