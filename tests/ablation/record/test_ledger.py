"""A record's address: made where there is none, and refused where it does not answer."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ablation.record.ledger import Ledger
from ablation.record.runs import SHORT_PATIENCE
from t1t2core.errors import InputError
from tests.conftest import Record


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_the_database_is_made_where_there_is_none_and_only_then(blank_record: Path, tmp_path: Path) -> None:
    # `blank_record` was made by opening a record in an empty folder.
    assert sorted(path.name for path in blank_record.parent.iterdir()) == ["mlflow.db"]
    record = Record(f"sqlite:///{blank_record}", tmp_path)
    before = blank_record.stat().st_ino
    record.open()
    assert blank_record.stat().st_ino == before


def test_a_kill_while_the_database_is_made_leaves_none(tmp_path: Path) -> None:
    database = tmp_path / "mlflow.db"
    program = (
        "from pathlib import Path; from ablation.record.ledger import Ledger; "
        f"Ledger('sqlite:///{database}', Path('{tmp_path}'))"
    )
    with subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and not list(tmp_path.iterdir()):
            time.sleep(0.005)
        os.kill(process.pid, signal.SIGKILL)
    assert list(tmp_path.iterdir()), "the making had begun"
    assert not database.exists()


def test_a_server_that_does_not_answer_is_refused(tmp_path: Path) -> None:
    uri = f"http://127.0.0.1:{closed_port()}"
    with pytest.raises(InputError, match=f"tracking address {uri} does not answer as MLflow: .*refused"):
        Ledger(uri, tmp_path)


def test_a_server_that_never_answers_is_refused_before_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SHORT_PATIENCE, "MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    before = dict(os.environ)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(InputError, match=f"tracking address {uri} does not answer as MLflow"):
            Ledger(uri, tmp_path)
    assert dict(os.environ) == before, "once it has answered, a server may take its time"


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("dear diary, this is not a database")
    with pytest.raises(InputError, match=r"notes\.txt does not answer as MLflow"):
        Ledger(f"sqlite:///{file}", tmp_path)
    assert file.read_text(encoding="utf-8") == "dear diary, this is not a database"


@pytest.mark.parametrize("uri", ["nonsense://host", "mlruns", "postgresql://user:word@127.0.0.1:9/runs"])
def test_an_address_that_mlflow_cannot_use_is_refused(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"tracking address .* does not answer as MLflow"):
        Ledger(uri, tmp_path)
