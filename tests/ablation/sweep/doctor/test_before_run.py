"""A run looks at its folder before it spends anything, as `ablation.doctor` does."""

import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ablation.sweep.doctor.examine import check_before_run
from ablation.sweep.workspace import Request
from t1t2core.errors import InputError

ROOT = Path(__file__).parents[4]
SMOKE = ROOT / "search_spaces" / "smoke.yaml"
WITHOUT_LOCKS = """
#include <fcntl.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A lock is given to whoever asks, as on a mount with `nolock`. */
int fcntl64(int file, int command, ...) {
    va_list rest;
    va_start(rest, command);
    void *given = va_arg(rest, void *);
    va_end(rest);
    if (command == F_SETLK || command == F_SETLKW) return 0;
    return syscall(SYS_fcntl, file, command, given);
}
int fcntl(int file, int command, ...) __attribute__((alias("fcntl64")));
"""


@pytest.fixture
def without_locks(tmp_path: Path) -> dict[str, str]:
    """An environment in which locks of files are worth nothing."""
    compiler = shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("needs a C compiler on Linux")
    source, library = tmp_path / "locks.c", tmp_path / "locks.so"
    source.write_text(WITHOUT_LOCKS, encoding="utf-8")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source], check=True)
    return {**os.environ, "LD_PRELOAD": str(library)}


def test_a_run_in_a_folder_without_locks_is_refused_before_it_starts(
    tmp_path: Path, without_locks: dict[str, str]
) -> None:
    output = tmp_path / "runs"
    command = [sys.executable, "-m", "ablation.run", "--space", SMOKE, "--output", output]
    ended = subprocess.run(command, cwd=ROOT, env=without_locks, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert f"--output {output} cannot be used: locks: a lock of one program does not keep" in ended.stderr
    assert "keep the record elsewhere" in ended.stderr
    assert not output.exists()


def test_a_folder_of_this_machine_is_fine(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        check_before_run(Request(space=SMOKE, output=tmp_path / "new"))
        check_before_run(Request(space=SMOKE, output=tmp_path, tracking_uri="http://head:5000"))
        check_before_run(Request(space=SMOKE, output=tmp_path, join=True))
    assert caplog.messages == []
    assert list(tmp_path.iterdir()) == []


def test_a_record_that_no_file_can_be_is_refused_as_such(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the record cannot lie at"):
        check_before_run(Request(space=SMOKE, output=tmp_path, tracking_uri="sqlite:////100%25/mlflow.db"))
