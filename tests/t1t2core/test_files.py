"""Nobody ever reads half a file."""

from pathlib import Path

import pytest

from t1t2core.files import write_atomically


def test_what_was_written_is_there_and_nothing_else(tmp_path: Path):
    write_atomically(tmp_path / "deep" / "er" / "encoder.bin", b"weights")
    assert (tmp_path / "deep" / "er" / "encoder.bin").read_bytes() == b"weights"
    assert [p.name for p in (tmp_path / "deep" / "er").iterdir()] == ["encoder.bin"]


def test_a_file_is_replaced_whole(tmp_path: Path):
    path = tmp_path / "plan.csv"
    write_atomically(path, b"a long first version")
    with path.open("rb") as reader:
        write_atomically(path, b"short")
        assert reader.read() == b"a long first version"
    assert path.read_bytes() == b"short"


def test_a_failure_leaves_what_was_there(tmp_path: Path):
    path = tmp_path / "plan.csv"
    write_atomically(path, b"old")
    with pytest.raises(TypeError):
        write_atomically(path, "no bytes")  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["plan.csv"]


def test_a_folder_in_the_way_is_an_error_that_leaves_nothing_behind(tmp_path: Path):
    (tmp_path / "plan.csv").mkdir()
    with pytest.raises(OSError, match=r"plan\.csv"):
        write_atomically(tmp_path / "plan.csv", b"new")
    assert [p.name for p in tmp_path.iterdir()] == ["plan.csv"]
