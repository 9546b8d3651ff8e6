"""The tiny sweep, prepared once and run once undisturbed."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ablation.record.ledger import Ledger
from tests.builders.shared import made_once
from tests.faults.bench import Bench, Result, results_in
from tests.faults.cluster import SharedCluster, shared_cluster

LOADED = ("driver.maps", "worker.maps")


@dataclass(frozen=True)
class Undisturbed:
    """What a sweep leaves that nothing happened to, and storage with all it needs.

    Args:
        loaded: libraries of the driver, and of the worker, in the middle of the sweep, as proc(5) has them.
    """

    results: dict[str, list[Result]]
    store: Path
    loaded: tuple[str, str]


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedCluster]:
    with shared_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def undisturbed(
    cluster: SharedCluster,
    tiny_heads: Path,
    prepared_heads: Path,
    blank_record: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Undisturbed:
    def sweep(folder: Path) -> None:
        bench = Bench(folder, tiny_heads, blank_record, prepared_heads, cluster)
        hold = bench.order("hold", "conservative 15", 2)
        driver = bench.start()
        worker = bench.wait_for_hold(hold, driver)
        for name, pid in zip(LOADED, (driver.pid, worker), strict=True):
            (folder / name).write_bytes(Path(f"/proc/{pid}/maps").read_bytes())
        bench.release(hold)
        assert driver.wait() == 0, driver.said
        assert driver.last_line == "4 trials: 4 finished (0 reused), 0 failed"

    folder = made_once(tmp_path_factory, "undisturbed", sweep)
    runs = folder / "runs"
    ledger = Ledger(f"sqlite:///{runs / 'mlflow.db'}", runs / "artifacts")
    driver, worker = ((folder / name).read_text(encoding="utf-8") for name in LOADED)
    return Undisturbed(results_in(ledger), runs / "store", (driver, worker))


@pytest.fixture
def bench(
    undisturbed: Undisturbed, cluster: SharedCluster, tiny_heads: Path, blank_record: Path, tmp_path: Path
) -> Iterator[Bench]:
    """With volumes and a network in its storage, an empty record, and a cluster that commands join."""
    bench = Bench(tmp_path / "bench", tiny_heads, blank_record, undisturbed.store, cluster)
    yield bench
    bench.close()


@pytest.fixture
def lone_bench(
    undisturbed: Undisturbed, tiny_heads: Path, blank_record: Path, tmp_path: Path
) -> Iterator[Bench]:
    """The same, but each command starts a Ray of its own."""
    bench = Bench(tmp_path / "bench", tiny_heads, blank_record, undisturbed.store)
    yield bench
    bench.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 8 MB of its own; only root may make one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    command = [mount or "mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    if mount is None or os.geteuid() != 0 or subprocess.run(command, check=False).returncode:
        pytest.skip("mounting a small disk is not allowed here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)
