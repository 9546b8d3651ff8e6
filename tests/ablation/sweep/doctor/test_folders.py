"""The output folder: without rights, on another clock, without locks, on a network, on a full disk."""

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ablation.record.database import database_address
from ablation.sweep.doctor.finding import Status
from ablation.sweep.doctor.folders import (
    apart,
    check_clock,
    check_disk,
    check_file_system,
    check_locks,
    check_rights,
)

NOBODY = 65534
TABLE = """\
22 1 252:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
41 22 0:35 / /home rw,relatime shared:20 - nfs4 server:/home rw,vers=4.2,hard
42 22 0:36 / /lustre/our\\040data rw - lustre mgs@tcp:/data rw,flock
"""
"""As /proc/self/mountinfo has it: a disk, and two folders that other machines write to."""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder of root that all may read."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_a_folder_that_is_there_or_can_be_made_is_fine_and_left_as_it_was(tmp_path: Path) -> None:
    assert check_rights(tmp_path).found == f"{tmp_path} can be written to"
    runs = tmp_path / "a" / "runs"
    assert check_rights(runs).found == f"{runs} will be made in {tmp_path}"
    assert check_clock(runs).status == check_locks(runs).status == Status.OK
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
def test_a_folder_without_rights_is_a_failure(open_folder: Path) -> None:
    os.seteuid(NOBODY)
    try:
        finding = check_rights(open_folder / "runs")
    finally:
        os.seteuid(0)
    assert (finding.status, finding.found) == (Status.FAIL, f"{open_folder}: Permission denied")
    assert "give --output a folder of yours" in finding.advice


def test_a_file_in_its_place_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "runs").touch()
    finding = check_rights(tmp_path / "runs" / "deeper")
    assert (finding.status, finding.found) == (Status.FAIL, f"{tmp_path / 'runs'} is no folder")


@pytest.mark.parametrize(("ahead", "status"), [(0, "ok"), (-30, "warn"), (30, "warn"), (3600, "fail")])
def test_a_clock_that_differs_from_the_folders_breaks_leases(
    tmp_path: Path, ahead: float, status: str
) -> None:
    finding = check_clock(tmp_path, lambda: time.time() + ahead)
    assert finding.status == status
    assert ("ahead by 1200 s" in finding.advice) == (status != "ok")
    assert list(tmp_path.iterdir()) == []


def test_a_clock_that_was_read_between_two_readings_of_ours_is_right() -> None:
    assert apart(10.5, 10.0, 11.0) == 0
    assert apart(9.0, 10.0, 11.0) == 1
    assert apart(13.0, 10.0, 11.0) == 2


def test_a_file_system_without_locks_is_a_failure(tmp_path: Path) -> None:
    """SQLite itself leaves them out, as a mount with `nolock` does."""
    assert check_locks(tmp_path).status == Status.OK
    finding = check_locks(tmp_path, vfs="unix-none")
    assert finding.status == Status.FAIL
    assert finding.found == "a lock of one program does not keep another one out"
    assert "--tracking-uri" in finding.advice
    assert list(tmp_path.iterdir()) == []


def test_a_folder_where_sqlite_cannot_work_at_all_is_a_failure(tmp_path: Path) -> None:
    finding = check_locks(tmp_path, vfs="none-such")
    assert (finding.status, finding.found) == (Status.FAIL, "SQLite says no such vfs: none-such")


def test_a_sqlite_record_on_a_network_is_to_be_served(tmp_path: Path) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(TABLE, encoding="utf-8")
    runs = Path("/lustre/our data/runs")
    address = database_address(runs / "mlflow.db")
    finding = check_file_system(runs, address, table)
    assert finding.status == Status.WARN
    assert finding.found == "the record is on lustre, mounted at /lustre/our data"
    assert f"mlflow server --backend-store-uri {address}" in finding.advice
    assert "--tracking-uri" in finding.advice


@pytest.mark.parametrize(
    ("folder", "tracking_uri", "found"),
    [
        ("/home/me/runs", "http://head:5000", "the output is on nfs4, mounted at /home"),
        ("/home/me/runs", "sqlite:////data/mlflow.db", "the record is on ext4, mounted at /"),
    ],
)
def test_a_record_that_is_served_or_on_a_disk_of_its_own_is_fine(
    tmp_path: Path, folder: str, tracking_uri: str, found: str
) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(TABLE, encoding="utf-8")
    finding = check_file_system(Path(folder), tracking_uri, table)
    assert (finding.status, finding.found, finding.advice) == (Status.OK, found, "")


def test_a_system_that_does_not_tell_is_skipped(tmp_path: Path) -> None:
    finding = check_file_system(tmp_path, "http://head:5000", tmp_path / "none")
    assert (finding.status, finding.found.endswith(": skipped")) == (Status.OK, True)


def test_what_is_free_is_told_for_each_place(tmp_path: Path) -> None:
    finding = check_disk({"output": tmp_path / "runs", "Ray": Path("/dev")})
    assert finding.found.startswith(f"free: output ({tmp_path}) ")
    assert "Ray (/dev) " in finding.found


def test_a_disk_that_is_nearly_full_is_a_failure() -> None:
    """/proc has no room at all."""
    finding = check_disk({"output": Path("/proc")})
    assert finding.status == Status.FAIL
    assert "output (/proc) 0 MB" in finding.found
    assert finding.advice.startswith("make room")
