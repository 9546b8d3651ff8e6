"""A user has a table of scans: it is read as written, and each line that cannot be used is named."""

import os
from pathlib import Path

import pytest

from t1t2core.cohort.manifest import read_manifest
from t1t2core.cohort.names import is_safe_name
from t1t2core.errors import InputError
from t1t2core.settings import CohortSettings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with files for two patients; only their names matter here."""
    for name in ("a1.nii", "a2.nii", "actt.nii", "b1.mha", "b2.mha", "bl1.mha", "bl2.mha"):
        (tmp_path / name).touch()
    (tmp_path / "bct").mkdir()
    return tmp_path


def write(folder: Path, *lines: str) -> Path:
    (folder / "heads.csv").write_text("\n".join(lines) + "\n")
    return folder / "heads.csv"


def refusal(file: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_manifest(file)
    return str(caught.value)


def test_paths_are_relative_to_the_table(folder: Path) -> None:
    file = write(folder, "subject,t1w,t2w,ct", f"b,{folder}/b1.mha,,bct", "a, a1.nii, a2.nii, actt.nii", "")
    cohort = read_manifest(file)
    assert cohort.name == "heads"
    assert [subject.name for subject in cohort.subjects] == ["a", "b"]
    a, b = cohort.subjects
    assert a.t2w == folder / "a2.nii"
    assert (b.t1w, b.t2w, b.ct) == (folder / "b1.mha", None, folder / "bct")


def test_label_maps_stand_in_for_ct(folder: Path) -> None:
    header = "subject,t1w,t2w,labels_t1w,labels_t2w"
    (subject,) = read_manifest(write(folder, header, "b,b1.mha,b2.mha,bl1.mha,bl2.mha")).subjects
    assert (subject.ct, subject.labels_t2w) == (None, folder / "bl2.mha")
    assert "line 2 (b): has t2w but neither ct nor labels_t2w" in refusal(
        write(folder, header, "b,b1.mha,b2.mha,bl1.mha,")
    )
    both = write(folder, "subject,t1w,t2w,ct,labels_t1w", "b,b1.mha,,bct,bl1.mha")
    assert "both ct and label maps" in refusal(both)


def test_other_columns_are_passed_over_and_misspelt_ones_refused(folder: Path) -> None:
    file = write(folder, "subject,age,t1w,t2w,ct,comment", "a,61,a1.nii,a2.nii,actt.nii,fine")
    assert len(read_manifest(file).subjects) == 1
    text = refusal(write(folder, "Subjects,t1,t2w,ct", "a,a1.nii,a2.nii,actt.nii"))
    assert "column 'Subjects' is unknown; did you mean 'subject'?" in text
    assert "column 't1' is unknown; did you mean 't1w'?" in text
    text = refusal(write(folder, "subject,t1w,t2w,lables_t1w", "a,a1.nii,a2.nii,actt.nii"))
    assert "did you mean 'labels_t1w'?" in text
    assert "column 'ct' is missing" in refusal(write(folder, "subject,t1w,t2w", "a,a1.nii,a2.nii"))
    assert "column 't2w' is missing" in refusal(write(folder, "subject,t1w,ct", "a,a1.nii,actt.nii"))


@pytest.mark.parametrize("cell", ["n/a", "N/A", "NA", "NaN", "-", "#N/A", "None"])
def test_what_tables_write_for_a_missing_scan_is_no_file(folder: Path, cell: str) -> None:
    file = write(folder, "subject,t1w,t2w,ct", "a,a1.nii,a2.nii,actt.nii", f"b,b1.mha,{cell},bct")
    assert [subject.t2w for subject in read_manifest(file).subjects] == [folder / "a2.nii", None]
    labelled = write(
        folder, "subject,t1w,t2w,ct,labels_t1w,labels_t2w", f"b,b1.mha,b2.mha,{cell},bl1.mha,bl2.mha"
    )
    assert read_manifest(labelled).subjects[0].ct is None
    assert "line 2 (a): t1w is empty" in refusal(write(folder, "subject,t1w,t2w,ct", f"a,{cell},a2.nii,bct"))


def test_a_folder_of_such_a_name_is_a_scan_all_the_same(folder: Path) -> None:
    (folder / "NA").mkdir()
    (subject,) = read_manifest(write(folder, "subject,t1w,t2w,ct", "NA,a1.nii,a2.nii,NA")).subjects
    assert (subject.name, subject.ct) == ("NA", folder / "NA")


def test_a_scan_that_was_not_fetched_is_named_with_the_command_that_does(folder: Path) -> None:
    (folder / "lost.nii").symlink_to(".git/annex/objects/gone")
    (folder / "away").symlink_to("nowhere")
    (folder / "unlocked.nii").write_text("/annex/objects/SHA256E-s1--ab.nii\n")
    (folder / "large.nii").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 1\n")
    text = refusal(
        write(
            folder,
            "subject,t1w,t2w,ct",
            "a,lost.nii,a2.nii,actt.nii",
            "b,away/t1.nii,unlocked.nii,large.nii",
        )
    )
    run = "(a link to nothing: run `datalad get"
    assert f"line 2 (a): t1w is not there: lost.nii {run} {folder}/lost.nii`" in text
    assert f"line 3 (b): t1w is not there: away/t1.nii {run} {folder}/away`" in text
    assert f"t2w (unlocked.nii) is a pointer of git-annex: run `datalad get {folder}/unlocked.nii`" in text
    assert "ct (large.nii) is a pointer of Git LFS: run `git lfs pull`" in text
    file = write(folder, "subject,t1w,t2w,ct", "a,lost.nii,,actt.nii", "b,b1.mha,b2.mha,bct")
    assert [subject.name for subject in read_manifest(file, CohortSettings(exclude=["a"])).subjects] == ["b"]


def test_all_bad_lines_are_named_at_once(folder: Path) -> None:
    text = refusal(
        write(
            folder,
            "subject,t1w,t2w,ct",
            "a,a1.nii,gone.nii,actt.nii",
            "b,,b2.mha,lost",
            "../c,b1.mha,b2.mha,bct",
            "d,b1.mha,b2.mha,",
            "e,b1.mha,b2.mha,bct",
            "E,b1.mha,b2.mha,bct",
        )
    )
    assert "line 2 (a): t2w is not there: gone.nii" in text
    assert "line 3 (b): t1w is empty" in text
    assert "line 3 (b): ct is not there: lost" in text
    assert "line 4 (../c): a subject's name has letters" in text
    assert "line 5 (d): has neither ct nor labels_t1w" in text
    assert "line 6 (e): there are two subjects of this name" in text
    assert "line 7 (E): there are two subjects of this name" in text
    assert "cohort: {exclude:" in text


def test_an_excluded_subject_may_be_broken(folder: Path) -> None:
    file = write(folder, "subject,t1w,t2w,ct", "a,a1.nii,a2.nii,actt.nii", "07,gone.nii,,bct")
    assert [subject.name for subject in read_manifest(file, CohortSettings(exclude=["07"])).subjects] == ["a"]
    with pytest.raises(InputError, match="'7' is no subject of this cohort; did you mean '07'"):
        read_manifest(file, CohortSettings(exclude=["7"]))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"subject,t1w,t2w,ct\n", "empty"),
        (b"\x89PNG\r\n\x1a\n\xff\xfe", "not a table"),
        (b"subject;t1w;t2w\na;a1.nii;a2.nii\n", "column 'ct' is missing"),
        (b"subject,t1w,t2w,ct\na,a1.nii\n", "line 2: 2 cells"),
        (b"subject,t1w,t2w,ct,ct\na,a1.nii,,actt.nii,bct\n", "column 'ct' is there twice"),
        (b"\xef\xbb\xbfsubject,t1w,t2w,ct\r\na,a1.nii,,actt.nii\r\n", "none of 1 subjects has a T2w scan"),
    ],
)
def test_what_is_no_table_of_scans_is_refused(folder: Path, content: bytes, message: str) -> None:
    (folder / "heads.csv").write_bytes(content)
    assert message in refusal(folder / "heads.csv")


# Odd cells and files


@pytest.mark.parametrize(
    "cell", ["x" * 300, "~nobody-of-this-name/t1.nii", "~", "a\0b", "~\0", "dangling", "pipe"]
)
def test_a_cell_that_can_be_no_scan_is_named(tmp_path: Path, cell: str) -> None:
    (tmp_path / "dangling").symlink_to("nothing")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "scan.nii").touch()
    cells = ",".join([cell if cell != "~" else "~/nothing-of-this-name", "scan.nii", "scan.nii"])
    table = tmp_path / "cohort.csv"
    table.write_text(f"subject,t1w,t2w,ct\np01,{cells}\n", encoding="utf-8")
    with pytest.raises(InputError, match="line 2 \\(p01\\): t1w is not there"):
        read_manifest(table)


def test_a_table_of_thousands_of_wrong_lines_or_columns_is_answered_briefly(tmp_path: Path) -> None:
    table = tmp_path / "cohort.csv"
    table.write_text("subject,t1w,t2w,ct\n" + "p01,a,b,c\n" * 20_000, encoding="utf-8")
    with pytest.raises(InputError, match=r"more$") as caught:
        read_manifest(table)
    assert len(str(caught.value)) < 20_000
    table.write_text(",".join(f"c{number}" for number in range(50_000)) + "\n1\n", encoding="utf-8")
    with pytest.raises(InputError, match="column 'subject' is missing") as caught:
        read_manifest(table)
    assert len(str(caught.value)) < 20_000


def test_a_name_too_long_for_a_file_or_kept_for_a_device_is_no_subjects() -> None:
    assert is_safe_name("sub-01")
    assert is_safe_name("console")
    assert not is_safe_name("x" * 101)
    assert [name for name in ("con", "NUL", "com1.t1", "p01.") if is_safe_name(name)] == []
