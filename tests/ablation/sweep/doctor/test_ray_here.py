"""A folder for Ray that is too long, not there, or somebody else's; ports that are taken."""

import os
import resource
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ablation.sweep.doctor.finding import Status
from ablation.sweep.doctor.ray_here import check_ports, check_ray_folder

NOBODY = 65534


@pytest.fixture
def short_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        yield Path(folder)


def test_a_short_folder_takes_sockets_and_is_left_empty(
    short_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(short_folder))
    finding = check_ray_folder(short_folder / "none")
    assert (finding.status, finding.found) == (Status.OK, f"its sockets go below {short_folder}")
    assert list(short_folder.iterdir()) == []


def test_a_folder_with_a_long_name_or_none_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("scratch_of_a_job_" * 6)
    long.mkdir()
    for folder, cause in ((long, "too long"), (tmp_path / "none", "No such file")):
        monkeypatch.setenv("RAY_TMPDIR", str(folder))
        finding = check_ray_folder(tmp_path / "usual")
        assert finding.status == Status.FAIL
        assert cause in finding.found
        assert "set RAY_TMPDIR to a folder of yours" in finding.found


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
def test_the_usual_folder_of_another_user_is_to_be_looked_at(short_folder: Path) -> None:
    usual = short_folder / "ray"
    usual.mkdir(mode=0o755)
    short_folder.chmod(0o755)
    os.seteuid(NOBODY)
    try:
        finding = check_ray_folder(usual)
    finally:
        os.seteuid(0)
    assert finding.status == Status.WARN
    assert f"{usual} belongs to root" in finding.advice
    assert "--temp-dir" in finding.advice


def test_a_port_that_is_taken_is_named_and_no_failure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        finding = check_ports([port])
    assert finding.status == Status.OK
    assert f"taken by others: {port}" in finding.found
    assert "--port" in finding.advice
    assert check_ports([port]).advice == "", "it is free again"


def test_too_few_ports_are_a_failure() -> None:
    """Each takes an open file, too, of which a process has so many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    number = len(os.listdir("/proc/self/fd")) + 30
    resource.setrlimit(resource.RLIMIT_NOFILE, (number, hard))
    try:
        finding = check_ports([])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert finding.status == Status.FAIL
    assert "64 ports cannot be opened: Too many open files" in finding.found
    assert "ulimit -n" in finding.advice
