"""Storage goes away or is full in the middle of a sweep."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ablation.store.storage import Storage
from tests.builders.s3 import OWNER, address_of, s3_server
from tests.faults.bench import Bench, compare
from tests.faults.conftest import Undisturbed
from tests.faults.server import Server

pytestmark = pytest.mark.slow

SECRET = OWNER[1]
AWAY_SECONDS = 5.0


@pytest.fixture
def bucket(bench: Bench) -> Iterator[Server]:
    """A bucket with volumes and the pretrained network, behind a real S3 server, as the bench's storage."""
    with s3_server(bench.folder / "seaweedfs") as server:
        address = address_of(server.port, user=f"{OWNER[0]}:{SECRET}@")
        storage, store = Storage(address), bench.output / "store"
        for file in store.glob("*/*.*"):
            storage.write(str(file.relative_to(store)), file.read_bytes())
        bench.options += ["--storage", address]
        yield server


@pytest.mark.exhaustive  # test_records.py has a server that comes back
def test_a_bucket_that_comes_back_costs_nothing_but_time(
    bench: Bench, undisturbed: Undisturbed, bucket: Server
) -> None:
    hold = bench.order("hold", "conservative 15", 2)
    command = bench.start()
    bench.wait_for_hold(hold, command)
    bucket.kill()
    bench.release(hold)
    time.sleep(AWAY_SECONDS)
    bucket.start()
    assert command.wait() == 0, command.said
    assert SECRET not in command.said
    assert compare(bench, undisturbed.results).passed


# A full disk ends the sweep below, and what is said of a server that stays away is in test_bucket.py.
@pytest.mark.exhaustive
def test_a_bucket_that_stays_away_ends_the_sweep(
    bench: Bench, undisturbed: Undisturbed, bucket: Server
) -> None:
    bench.lose_patience_after(3)
    hold = bench.order("hold", "conservative 15", 2)
    command = bench.start()
    bench.wait_for_hold(hold, command)
    bucket.kill()
    bench.release(hold)
    assert command.wait() == 1, command.said
    assert "Traceback" not in command.said
    assert "stopped: storage s3://bucket?" in command.said
    assert "has not answered for 3 s" in command.said
    assert SECRET not in command.said
    assert "re-run the same command to resume" in command.said
    assert command.last_line == "4 trials: 0 finished (0 reused), 0 failed, 4 not started"
    assert bench.running() == 0
    bucket.start()
    bench.run()
    assert compare(bench, undisturbed.results).passed


def test_a_full_disk_ends_the_sweep_and_leaves_nothing_half_written(
    bench: Bench, undisturbed: Undisturbed, small_disk: Path
) -> None:
    shutil.copytree(bench.output / "store", small_disk / "store")
    bench.options += ["--storage", str(small_disk / "store")]
    hold = bench.order("hold", "conservative 15", 3)
    command = bench.start()
    bench.wait_for_hold(hold, command)
    filler = small_disk / "filler"
    fill(filler)
    bench.release(hold)
    assert command.wait() == 1, command.said
    assert "Traceback" not in command.said
    assert "stopped: no space left on the disk: " in command.said
    assert command.last_line.endswith("0 failed, 4 not started")
    filler.unlink()
    bench.run()
    assert compare(bench, undisturbed.results).passed


def test_a_full_disk_under_the_record_loses_nothing(
    bench: Bench, undisturbed: Undisturbed, small_disk: Path
) -> None:
    shutil.copy(bench.output / "mlflow.db", small_disk / "mlflow.db")
    bench.tracking_uri = f"sqlite:///{small_disk / 'mlflow.db'}"
    bench.environment["FAULTS_DELIVERY"] = "3"
    hold = bench.order("hold", "conservative 15", 3)
    command = bench.start()
    bench.wait_for_hold(hold, command)
    filler = small_disk / "filler"
    fill(filler)
    bench.release(hold)
    assert command.wait() == 1, command.said
    assert "Traceback" not in command.said
    assert "full" in command.said
    assert "re-run the same command to record it" in command.said
    filler.unlink()
    bench.run()
    assert bench.steps("conservative 15") == [1, 2, 3, 4], "it was not trained again"
    assert compare(bench, undisturbed.results).passed


def fill(file: Path) -> None:
    """Takes all that is left of the disk."""
    with file.open("wb", buffering=0) as stream:
        try:
            while True:
                stream.write(bytes(4096))
        except OSError:
            return
