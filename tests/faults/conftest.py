"""The tiny sweep, prepared once and run once undisturbed."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.bench import Bench, Result


@dataclass(frozen=True)
class Undisturbed:
    """What a sweep leaves that nothing happened to, and storage with all it needs."""

    results: dict[str, list[Result]]
    store: Path


@pytest.fixture(scope="session")
def undisturbed(
    tiny_heads: Path, blank_record: Path, tmp_path_factory: pytest.TempPathFactory
) -> Undisturbed:
    bench = Bench(tmp_path_factory.mktemp("undisturbed") / "bench", tiny_heads, blank_record)
    assert bench.run().last_line == "4 trials: 4 finished (0 reused), 0 failed"
    return Undisturbed(bench.results(), bench.output / "store")


@pytest.fixture
def bench(undisturbed: Undisturbed, tiny_heads: Path, blank_record: Path, tmp_path: Path) -> Iterator[Bench]:
    """With volumes and T1 network in its storage, and an empty record."""
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
