"""Whatever a user points at in place of a text file, the answer comes at once."""

import os
from pathlib import Path

import pytest

from t1t2core.cohort.text import is_there, read_text, unfetched
from t1t2core.errors import InputError


def test_a_file_is_read_with_or_without_a_mark(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-32"):
        file.write_text("Größe\n", encoding=encoding)
        assert read_text(file, most_bytes=100) == "Größe\n"


def test_what_is_no_text_file_is_refused_with_the_cause(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "latin").write_bytes("Größe".encode("latin-1"))
    causes = {
        "pipe": "no such file",
        "loop": "no such file",
        "/dev/zero": "no such file",
        "nowhere": "no such file",
        "x" * 300: "no such file",
        "a\0b": "no such file",
        "\ud800": "no such file",
        ".": "cannot be read",
        "latin": "no text in UTF-8",
    }
    for name, cause in causes.items():
        with pytest.raises(InputError, match=cause):
            read_text(tmp_path / name, most_bytes=100)


def test_a_file_larger_than_any_table_is_not_read_to_its_end(tmp_path: Path) -> None:
    file = tmp_path / "huge.csv"
    with file.open("wb") as stream:
        stream.truncate(10**12)
    with pytest.raises(InputError, match="too large: more than 1,000 bytes"):
        read_text(file, most_bytes=1000)


def test_files_and_folders_are_there_and_links_to_nothing_are_not(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "dangling").symlink_to("nothing")
    assert [is_there(tmp_path / name) for name in ("file", "link", ".", "dangling")] == [True] * 3 + [False]


def test_what_was_not_fetched_is_told_from_what_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "a b.nii").symlink_to(".git/annex/objects/gone")
    (tmp_path / "loop.nii").symlink_to("loop.nii")
    (tmp_path / "pointer.nii").write_bytes(b"/annex/objects/SHA256E-s1--ab.nii\n")
    (tmp_path / "scan.nii").write_bytes(b"\x5c\x01")
    (tmp_path / "link.nii").symlink_to("scan.nii")
    assert unfetched(tmp_path / "a b.nii").startswith(
        f"a link to nothing: run `datalad get '{tmp_path}/a b.nii'`"
    )
    assert unfetched(tmp_path / "pointer.nii").startswith("a pointer of git-annex: run `datalad get ")
    for name in ("loop.nii", "scan.nii", "link.nii", "nowhere", ".", "x" * 300, "a\0b"):
        assert unfetched(tmp_path / name) == ""
