"""Compiled loops are kept on the machine that compiled them, where nobody else can change them."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from t1t2core.network.kernel_cache import NAME

PROCESSES = 16
PROGRAM = """
import sys
from t1t2core.network import kernel_cache
kernel_cache.PLACES = sys.argv[1:2]
import numpy as np
from numba import config
from t1t2core.network.kernels import take

asked = config.CACHE_DIR
if "compile" in sys.argv:
    pooled = np.empty((1, 1, 1, 1, 1), np.float32)
    take(np.ones((1, 2, 2, 2, 1), np.float32), np.zeros(pooled.shape, np.uint8), pooled)
print(take.stats.cache_path)
print(sum(take.stats.cache_hits.values()))
assert config.CACHE_DIR == asked, "other users of Numba are left alone"
"""


def look(place: Path, *arguments: str, **environment: str) -> tuple[Path, int]:
    """Where a new process keeps a compiled loop, and how often it found it there."""
    others = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(place), *arguments],
        env={**others, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    folder, hits = ended.stdout.split()
    return Path(folder), int(hits)


def test_the_second_process_finds_what_the_first_compiled(tmp_path: Path) -> None:
    folder, hits = look(tmp_path, "compile")
    assert hits == 0
    assert folder.parent == tmp_path / NAME
    assert folder.parent.stat().st_mode & 0o777 == 0o700
    assert look(tmp_path, "compile") == (folder, 1)


def test_a_folder_that_the_user_names_is_taken(tmp_path: Path) -> None:
    folder, _ = look(tmp_path, NUMBA_CACHE_DIR=str(tmp_path / "mine"))
    assert folder.parent == tmp_path / "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize("kind", ["writable by all", "a link"])
def test_a_folder_that_others_could_put_code_into_is_not_used(kind: str, tmp_path: Path) -> None:
    place = tmp_path / NAME
    if kind == "a link":
        (tmp_path / "theirs").mkdir()
        place.symlink_to(tmp_path / "theirs")
    else:
        place.mkdir()
        place.chmod(0o777)
    folder, _ = look(tmp_path)
    assert place not in folder.parents
    assert not list(place.iterdir())


@pytest.mark.slow
@pytest.mark.exhaustive  # `test_the_second_process_finds_what_the_first_compiled` shows the cache at work
@pytest.mark.parametrize("folders", [1, PROCESSES], ids=["one folder", "a folder each"])
def test_many_processes_that_compile_at_once_do_not_disturb_each_other(tmp_path: Path, folders: int) -> None:
    """As the workers of a node that start together, with nothing compiled yet."""
    with ThreadPoolExecutor(PROCESSES) as pool:
        places = [tmp_path / str(number % folders) for number in range(PROCESSES)]
        for place in places:
            place.mkdir(exist_ok=True)
        list(pool.map(lambda place: look(place, "compile"), places))
    for place in dict.fromkeys(places):
        assert look(place, "compile")[1] == 1, "what was written can be read"
