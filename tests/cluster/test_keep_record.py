"""A copy of the record in a bucket: a machine that is lost with its disk leaves it to the next."""

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.cluster.files import CLUSTER
from tests.conftest import Record
from tests.faults.commands import wait_until

pytestmark = pytest.mark.slow


@contextmanager
def kept(database: Path, bucket: Path) -> Iterator[None]:
    """While a process keeps copies; it has begun."""
    command = [sys.executable, str(CLUSTER / "keep_record.py"), str(database), str(bucket)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        assert "ready\n" in lines, "it has ended"
        try:
            yield
        finally:
            process.kill()


def names(database: Path) -> set[str]:
    with closing(sqlite3.connect(database)) as opened:
        return {name for (name,) in opened.execute("SELECT name FROM experiments")}


def test_a_new_machine_goes_on_with_the_record_of_the_lost_one(
    add_record: Callable[[Path], Record], tmp_path: Path
) -> None:
    bucket, lost, new = (tmp_path / name for name in ("bucket", "lost", "new"))
    add_record(lost).open().experiment("conservative")
    with closing(sqlite3.connect(lost / "mlflow.db")) as writer:
        writer.execute("BEGIN IMMEDIATE")  # as a server that is writing just then
        with kept(lost / "mlflow.db", bucket):
            wait_until((bucket / "mlflow.db").exists, "the copy is there")
    with kept(new / "mlflow.db", bucket):
        assert names(new / "mlflow.db") == {"Default", "conservative"}


def test_the_first_machine_begins_with_an_empty_record(tmp_path: Path) -> None:
    with kept(tmp_path / "runs" / "mlflow.db", tmp_path / "bucket"):
        assert names(tmp_path / "runs" / "mlflow.db") == {"Default"}
