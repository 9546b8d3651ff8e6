"""A record that several machines share is served by one driver, and by another when that one is gone."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient

from ablation.record import served
from ablation.record.ledger import Ledger
from ablation.record.served import FOLDER, ServedRecord
from tests.faults.commands import wait_until

pytestmark = pytest.mark.slow
OTHER = """
import sys, time
from pathlib import Path
from ablation.record.served import ServedRecord
record = ServedRecord(Path(sys.argv[1]))
print(record.address, record.is_server, flush=True)
time.sleep(1000)
"""


@pytest.fixture(autouse=True)
def _beats_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served, "BEAT_SECONDS", 0.5)


def test_the_next_driver_serves_the_record_when_the_first_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OTHER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        address, serves = other.stdout.readline().split()
        assert serves == "True", "it came first"
        theirs = Ledger(address, tmp_path / "artifacts")
        theirs.client.create_experiment("made there")
        ours = ServedRecord(tmp_path)
        assert not ours.is_server
        client = MlflowClient(ours.address)
        assert client.get_experiment_by_name("made there") is not None
        other.send_signal(signal.SIGKILL)
    wait_until(lambda: ours.is_server, "it is taken over")
    # The address is the same, and so is the record.
    assert client.get_experiment_by_name("made there") is not None
    client.create_experiment("made here")
    last = sorted((tmp_path / FOLDER).glob("*.json"))[-1]
    assert stat.S_IMODE(last.stat().st_mode) & 0o007 == 0, "its token is not for everybody"
    ours.close()
    assert json.loads(last.read_text())["heartbeat"] == "0", "another need not wait for a lease"
    assert not running(tmp_path), "no server is left"


def test_a_driver_that_was_stopped_too_long_leaves_the_record_to_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was another machine's to see: here it looks as if the lease alone told."""
    record = ServedRecord(tmp_path)
    assert record.is_server
    later = tmp_path / FOLDER / "000002.json"
    later.write_text(json.dumps({"driver": "elsewhere/1/1", "heartbeat": str(time.time())}))
    wait_until(lambda: not record.is_server, "it sees that another serves")
    record.close()
    assert not running(tmp_path)


def running(folder: Path) -> list[int]:
    """Processes of servers of this folder's record."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        if (
            "mlflow" in command
            and str(folder / "mlflow.db") in command
            and int(path.parent.name) != os.getpid()
        ):
            found.append(int(path.parent.name))
    return found
