"""The record and the storage: there, not there, held by another, refusing."""

import socket
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pyarrow.fs import FileSelector

from ablation.record.latency import TAG, measure_record
from ablation.store import storage as storage_module
from ablation.sweep.doctor.finding import Status
from ablation.sweep.doctor.services import check_record, check_storage
from tests.builders.s3 import OWNER, READER, address_of, files_of, s3_server
from tests.conftest import Record
from tests.faults.server import Server, free_port

PATIENT = 600.0
"""Seconds: how busy the machine is just now is not what is tested."""


@pytest.fixture
def record(tmp_path: Path, add_record: Callable[[Path], Record]) -> Record:
    return add_record(tmp_path / "runs")


def tags_of(file: Path) -> list[str]:
    with sqlite3.connect(file) as database:
        return [name for (name,) in database.execute("SELECT key FROM experiment_tags")]


def test_a_record_that_is_not_there_yet_is_not_made(tmp_path: Path) -> None:
    finding = check_record(f"sqlite:///{tmp_path / 'mlflow.db'}")
    assert (finding.status, finding.advice) == (Status.OK, "")
    assert "the first run makes it" in finding.found
    assert list(tmp_path.iterdir()) == []


def test_a_record_that_answers_is_as_it_was(record: Record, tmp_path: Path) -> None:
    before = tags_of(tmp_path / "runs" / "mlflow.db")
    finding = check_record(record.uri, slow=PATIENT)
    assert finding.status == Status.OK
    assert "a read takes" in finding.found
    assert "a write" in finding.found
    assert "not tried" not in finding.found
    assert TAG not in before
    assert tags_of(tmp_path / "runs" / "mlflow.db") == before
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["mlflow.db"]


def test_a_record_that_somebody_holds_is_a_failure(record: Record, tmp_path: Path) -> None:
    file = tmp_path / "runs" / "mlflow.db"
    holder = sqlite3.connect(file, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    try:
        finding = check_record(record.uri)
    finally:
        holder.close()
    assert finding.status == Status.FAIL
    assert "database is locked" in finding.found
    assert f"fuser -v {file}" in finding.advice


def test_a_file_that_is_no_record_is_a_failure_and_stays_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "mlflow.db"
    sqlite3.connect(file).close()
    finding = check_record(f"sqlite:///{file}")
    assert (finding.status, "is no record of MLflow" in finding.found) == (Status.FAIL, True)
    assert file.stat().st_size == 0
    file.write_bytes(b"no database at all, but some text of more than a few bytes" * 9)
    assert "file is not a database" in check_record(f"sqlite:///{file}").found


def test_a_record_of_another_mlflow_is_to_be_upgraded(record: Record, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "runs" / "mlflow.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '451aebb31d03'")
    finding = check_record(record.uri)
    assert finding.status == Status.FAIL
    assert f"mlflow db upgrade {record.uri}" in finding.advice


def test_a_server_that_is_not_there_is_a_failure_without_its_password() -> None:
    finding = check_record(f"http://me:secret@127.0.0.1:{free_port()}")
    assert finding.status == Status.FAIL
    assert "--allowed-hosts" in finding.advice
    assert "secret" not in str(finding)


def test_a_record_that_is_slow_is_to_be_looked_at(record: Record) -> None:
    finding = check_record(record.uri, slow=0.0)
    assert (finding.status, "recording will hold trials up" in finding.advice) == (Status.WARN, True)
    assert min(measure_record(record.uri)) > 0


def test_a_folder_that_is_not_there_yet_is_not_made(tmp_path: Path) -> None:
    finding = check_storage(str(tmp_path / "runs" / "store"), slow=PATIENT)
    assert finding.status == Status.OK
    assert "to write" in finding.found
    assert list(tmp_path.iterdir()) == []


def test_a_storage_that_is_slow_is_to_be_looked_at(tmp_path: Path) -> None:
    finding = check_storage(str(tmp_path), slow=0.0)
    assert (finding.status, "checkpoints will hold trials up" in finding.advice) == (Status.WARN, True)


def test_a_storage_that_no_library_knows_is_a_failure() -> None:
    finding = check_storage("nowhere://bucket")
    assert finding.status == Status.FAIL
    assert finding.found.startswith("storage nowhere://bucket: ")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with s3_server(tmp_path_factory.mktemp("s3") / "data") as started:
        yield started


def objects_in(server: Server) -> list[str]:
    return [info.path for info in files_of(server).get_file_info(FileSelector("bucket", recursive=True))]


def become(user: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", user[0])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", user[1])


def test_a_bucket_answers_and_nothing_is_left_in_it(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    become(OWNER, monkeypatch)
    for bucket in ("bucket", "bucket/deep/folder"):
        finding = check_storage(address_of(server.port, bucket), slow=PATIENT)
        assert finding.status == Status.OK, finding
        assert objects_in(server) == []


def test_a_bucket_where_one_may_only_read_is_a_failure(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    become(READER, monkeypatch)
    finding = check_storage(address_of(server.port))
    assert finding.status == Status.FAIL
    assert "cannot be used" in finding.found
    assert "credentials" in finding.advice


def test_a_bucket_that_does_not_answer_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes connections and says nothing."""
    become(OWNER, monkeypatch)
    monkeypatch.setattr(storage_module, "ANSWER_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        finding = check_storage(address_of(silent.getsockname()[1]))
    assert finding.status == Status.FAIL
    assert "no answer within 0.5 s" in finding.found
