"""A user keeps encoders, volumes and outcomes in a folder or a bucket."""

import os
import socket
from pathlib import Path

import pytest

from ablation.store.storage import Storage, StorageUnavailableError, is_breakdown
from t1t2core.errors import InputError


@pytest.fixture(params=["path", "uri"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    folder = tmp_path / "store"
    return Storage(str(folder) if request.param == "path" else folder.as_uri())


def test_what_was_written_is_read_back_and_can_be_replaced_and_removed(storage: Storage) -> None:
    storage.write("encoders/a.json", b"first")
    storage.write("encoders/a.json", b"second")
    assert storage.has("encoders/a.json")
    assert storage.read("encoders/a.json") == b"second"
    storage.delete("encoders/a.json")
    assert not storage.has("encoders/a.json")
    with pytest.raises(FileNotFoundError):
        storage.read("encoders/a.json")


def test_names_lists_the_objects_of_one_folder_in_order(storage: Storage) -> None:
    for name in ("outcomes/b", "outcomes/a", "outcomes/deeper/c", "elsewhere/d"):
        storage.write(name, b"")
    assert storage.names("outcomes") == ["outcomes/a", "outcomes/b"]
    assert storage.names("never made") == []


def test_folders_are_listed_apart_from_objects(storage: Storage) -> None:
    for name in ("outcomes/b/x", "outcomes/a/x", "outcomes/c"):
        storage.write(name, b"")
    assert storage.folders("outcomes") == ["a", "b"]
    assert storage.folders("never made") == []


def test_what_a_killed_writer_left_goes_with_the_object(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    storage.write("a", b"whole")
    (tmp_path / ".a.x7d").write_bytes(b"ha")
    (tmp_path / ".ab.x7d").write_bytes(b"of another")
    storage.delete("a")
    assert [path.name for path in tmp_path.iterdir()] == [".ab.x7d"]


def test_a_folder_is_no_object(storage: Storage) -> None:
    storage.write("outcomes/a", b"")
    assert not storage.has("outcomes")


def test_the_same_place_as_path_and_as_uri(tmp_path: Path) -> None:
    Storage(str(tmp_path)).write("a", b"here")
    assert Storage(tmp_path.as_uri()).read("a") == b"here"
    assert Storage(tmp_path.as_uri()).is_local


def test_a_relative_path_stays_valid_when_the_working_folder_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    storage = Storage("store")
    storage.write("a", b"here")
    monkeypatch.chdir("/")
    assert storage.read("a") == b"here"


def test_modified_tells_the_newer_of_two(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    storage.write("old", b"")
    storage.write("new", b"")
    os.utime(tmp_path / "old", (1_000_000, 1_000_000))
    assert storage.modified("old") == 1_000_000
    assert storage.modified("new") > storage.modified("old")


def test_a_write_that_fails_leaves_what_was_there_and_no_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = Storage(str(tmp_path))
    storage.write("a", b"whole")

    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space left") as caught:
        storage.write("a", b"half")
    assert is_breakdown(caught.value)
    assert caught.value.filename == str(tmp_path / "a")
    assert storage.read("a") == b"whole"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_check_passes_for_a_new_folder_and_leaves_no_object(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path / "new" / "store"))
    storage.check()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_file_where_the_folder_should_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("I am a file")
    with pytest.raises(InputError, match=r"storage .*store cannot be used: .*Not a directory"):
        Storage(str(tmp_path / "store")).check()


@pytest.mark.parametrize("address", ["ftp://host/folder", "s3:///", "nonsense://"])
def test_an_address_of_no_known_kind_is_refused(address: str) -> None:
    with pytest.raises(InputError, match=f"storage {address}: "):
        Storage(address).check()


def test_a_bucket_that_never_answers_is_refused_before_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ablation.store.storage.ANSWER_SECONDS", 0.5)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        host = f"127.0.0.1:{silent.getsockname()[1]}"
        address = f"s3://me:secret@bucket/folder?endpoint_override={host}&scheme=http"
        with pytest.raises(InputError, match="cannot be used: no answer within") as caught:
            Storage(address).check()
    assert "bucket/folder" in str(caught.value)
    assert "secret" not in str(caught.value)


class Flaky(Storage):
    """A bucket that does not answer for a while."""

    def __init__(self, folder: Path, failures: int, message: str = "curlCode: 7, Couldn't connect") -> None:
        super().__init__(str(folder))
        self.failures, self.message = failures, message

    @property
    def is_local(self) -> bool:
        return False

    def _read(self, name: str) -> bytes:
        self.failures -= 1
        if self.failures >= 0:
            raise OSError(self.message)
        return b"here"


def test_a_bucket_that_does_not_answer_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ablation.store.storage.FIRST_PAUSE_SECONDS", 0.001)
    assert Flaky(tmp_path, failures=3).read("a") == b"here"


def test_a_bucket_that_stays_away_or_refuses_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ablation.store.storage.FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr("ablation.store.storage.PATIENCE_SECONDS", 0.01)
    with pytest.raises(StorageUnavailableError, match=r"has not answered for 0\.01 s: .*connect") as caught:
        Flaky(tmp_path, failures=1000).read("a")
    assert is_breakdown(caught.value)
    refusing = Flaky(tmp_path, failures=1, message="AWS Error ACCESS_DENIED during GetObject")
    with pytest.raises(OSError, match="ACCESS_DENIED"):
        refusing.read("a")
