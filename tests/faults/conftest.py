"""The tiny sweep, prepared once and run once undisturbed."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.bench import Bench, Result
from tests.faults.cluster import SharedCluster, shared_cluster


@dataclass(frozen=True)
class Undisturbed:
    """What a sweep leaves that nothing happened to, and storage with all it needs."""

    results: dict[str, list[Result]]
    store: Path


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
    folder = tmp_path_factory.mktemp("undisturbed") / "bench"
    bench = Bench(folder, tiny_heads, blank_record, prepared_heads, cluster)
    assert bench.run().last_line == "4 trials: 4 finished (0 reused), 0 failed"
    return Undisturbed(bench.results(), bench.output / "store")


@pytest.fixture
def bench(
    undisturbed: Undisturbed, cluster: SharedCluster, tiny_heads: Path, blank_record: Path, tmp_path: Path
) -> Iterator[Bench]:
    """With volumes and T1 network in its storage, an empty record, and a cluster that commands join."""
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
