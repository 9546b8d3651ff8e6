"""Storage goes away or is full in the middle of a sweep."""

import json
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyarrow.fs import FileSystem

from ablation.storage import Storage
from tests.faults.bench import Bench, compare
from tests.faults.commands import wait_until
from tests.faults.conftest import Undisturbed
from tests.faults.server import Server, free_port, serving

KEY, SECRET = "someone", "something"
AWAY_SECONDS = 5.0
PORTS = ("master.port", "volume.port", "filer.port")
PORTS += tuple(f"{port}.grpc" for port in (*PORTS, "s3.port"))
"""Of the server's parts, beside that of S3 itself."""
SMALL = ("-volume.max=4", "-master.volumeSizeLimitMB=64", "-s3.port.iceberg=0", "-s3.port.lance=0")


@pytest.fixture
def bucket(bench: Bench) -> Iterator[Server]:
    """A bucket with the volumes and the T1 network, behind a real S3 server, as the bench's storage."""
    folder = bench.folder / "seaweedfs"
    folder.mkdir()
    allowed = {"credentials": [{"accessKey": KEY, "secretKey": SECRET}], "actions": ["Admin"], "name": "any"}
    (folder / "s3.json").write_text(json.dumps({"identities": [allowed]}), encoding="utf-8")
    options = [f"-{part}={free_port()}" for part in PORTS]

    def arguments(port: int) -> list[str]:
        program = str(Path(sys.executable).with_name("weed"))
        place = [f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-s3.config={folder / 's3.json'}"]
        return [program, "server", "-s3", f"-s3.port={port}", *place, *SMALL, *options]

    with serving(arguments, bench.folder / "s3.log") as server:
        endpoint = f"endpoint_override=127.0.0.1:{server.port}&scheme=http&region=us-east-1"
        address = f"s3://{KEY}:{SECRET}@bucket?{endpoint}"
        wait_until(lambda: server.listens() and made(address), "the server makes a bucket")
        storage, store = Storage(address), bench.output / "store"
        for file in store.glob("*/*.*"):
            storage.write(str(file.relative_to(store)), file.read_bytes())
        bench.options += ["--storage", address]
        yield server


def made(address: str) -> bool:
    """Whether the bucket could be made."""
    try:
        files, bucket = FileSystem.from_uri(f"{address}&allow_bucket_creation=true")
        files.create_dir(bucket)
    except OSError:
        return False
    return True


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_bucket_that_stays_away_ends_the_sweep(
    bench: Bench, undisturbed: Undisturbed, bucket: Server
) -> None:
    bench.environment["FAULTS_PATIENCE"] = "3"
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
    assert "the same command goes on where it stopped" in command.said
    assert command.last_line == "4 trials: 0 finished (0 reused), 0 failed, 4 not started"
    assert bench.running() == 0
    bucket.start()
    bench.run()
    assert compare(bench, undisturbed.results).passed


@pytest.mark.slow
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


@pytest.mark.slow
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
    filler.unlink()
    bench.run()
    assert compare(bench, undisturbed.results).passed


def fill(file: Path) -> None:
    """Takes all that is left of the disk."""
    with file.open("wb", buffering=0) as stream:
        try:
            while True:
                stream.write(bytes(4096))
        except OSError:
            return
