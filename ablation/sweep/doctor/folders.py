"""The folders of a run on this machine: rights, clock, locks, file system, free disk."""

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import quote

from ablation.record.database import database_file
from ablation.record.driver import GONE_LEASES
from ablation.space.resources import Recovery
from ablation.store.file_system import MOUNTS, existing, mount_of
from ablation.sweep.doctor.finding import Finding, Status
from ablation.sweep.doctor.units import bytes_of, seconds_of

PREFIX = ".doctor-"
"""Of the files that checks make, and remove again."""
APART_SECONDS = 2.0
"""Clocks that agree by NTP are apart by less; a lease is far longer."""
LOW_BYTES, FEW_BYTES = 1_000_000_000, 10_000_000_000
"""Of free disk: a demo sweep takes some hundred megabytes, prepared volumes of a cohort several gigabytes."""
FEW_FILES = 10_000
"""A trial leaves some twenty files."""
RAY = "Ray"
"""Name of the place for Ray's files, among those that are looked at for free disk."""
FULL_FOR_RAY = 0.95
"""Share of a disk in use from which Ray keeps no more objects there
(https://docs.ray.io/en/latest/ray-core/objects/object-spilling.html)."""
SQLITE_SECONDS = 15.0
TRY_TO_WRITE = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], uri=True, timeout=0, isolation_level=None)
try:
    database.execute("BEGIN IMMEDIATE")
    print("free")
except sqlite3.OperationalError as error:
    print(error)
"""
"""A second program at a database: locks of one process do not keep the process itself out."""
HELD = "database is locked"


def check_rights(folder: Path) -> Finding:
    """Whether the folder can be written to, or made."""
    there = existing(folder)
    if not there.is_dir():
        return Finding("output", Status.FAIL, f"{there} is no folder", "give another --output")
    try:
        with tempfile.NamedTemporaryFile(dir=there, prefix=PREFIX):
            pass
    except OSError as error:
        advice = "give --output a folder of yours, or mend its rights (ls -ld)"
        return Finding("output", Status.FAIL, f"{there}: {error.strerror or error}", advice)
    made = "can be written to" if there == folder.resolve() else f"will be made in {there}"
    return Finding("output", Status.OK, f"{folder.resolve()} {made}")


def check_clock(folder: Path, now: Callable[[], float] = time.time) -> Finding:
    """How far this machine's clock is from that of who keeps the folder's files.

    Args:
        now: this machine's clock, seconds since 1970.
    """
    before = now()
    with tempfile.NamedTemporaryFile(dir=existing(folder), prefix=PREFIX) as file:
        file.write(b"now")
        file.flush()
        written = os.stat(file.name).st_mtime
    return judge_clock("clock", apart(written, before, now()), "the clock of the output folder")


def apart(there: float, before: float, after: float) -> float:
    """Return by how many seconds a clock is wrong that was read between two readings of ours."""
    return max(before - there, there - after, 0.0)


def judge_clock(name: str, seconds: float, other: str) -> Finding:
    """What clocks that are so many seconds apart mean for leases."""
    most = GONE_LEASES * Recovery().lease_seconds
    found = f"this machine's and {other} are {seconds_of(seconds)} apart"
    if seconds <= APART_SECONDS:
        return Finding(name, Status.OK, found)
    advice = (
        f"set them by NTP (chronyc tracking, timedatectl): who is ahead by {most:g} s (ten leases) takes "
        "over trials that others are working on"
    )
    return Finding(name, Status.WARN if seconds < most / 2 else Status.FAIL, found, advice)


def check_locks(folder: Path, vfs: str = "") -> Finding:
    """Whether a lock that one program has on a SQLite file keeps another one out.

    Args:
        vfs: how SQLite is to reach the file, by its own name; as usual if empty.
    """
    with tempfile.TemporaryDirectory(dir=existing(folder), prefix=PREFIX) as own:
        address = f"file:{quote(own)}/locks.db{f'?vfs={vfs}' if vfs else ''}"
        try:
            answers = _held_and_given_back(address)
        except sqlite3.Error as error:
            answers = (f"SQLite says {error}", "")
    if answers == (HELD, "free"):
        return Finding("locks", Status.OK, "a lock of one program keeps another one out")
    wrong = answers[0] if answers[0] != HELD else f"a lock that was given back is held: {answers[1]}"
    found = "a lock of one program does not keep another one out" if answers[0] == "free" else wrong
    advice = (
        "keep the record elsewhere: --output on a disk of this machine, or `mlflow server` there and its "
        "address as --tracking-uri"
    )
    return Finding("locks", Status.FAIL, found, advice)


def _held_and_given_back(address: str) -> tuple[str, str]:
    """Return what another program is told while a lock is held, and once it is given back."""
    holder = sqlite3.connect(address, uri=True, timeout=0, isolation_level=None)
    try:
        holder.execute("CREATE TABLE held (number)")
        holder.execute("BEGIN IMMEDIATE")
        while_held = _told(address)
        holder.execute("COMMIT")
        return while_held, _told(address)
    finally:
        holder.close()


def _told(address: str) -> str:
    command = [sys.executable, "-I", "-c", TRY_TO_WRITE, address]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, timeout=SQLITE_SECONDS)
    return ended.stdout.strip()


def check_file_system(folder: Path, tracking_uri: str, table: Path = MOUNTS) -> Finding:
    """Whether a record in a SQLite file lies on the file system of a network.

    Args:
        tracking_uri: MLflow's address.
        table: where the system lists what is mounted.
    """
    file = database_file(tracking_uri)
    mount = mount_of(folder if file is None else file, table)
    if mount is None:
        return Finding("file system", Status.OK, f"not told by this system ({table} is not there): skipped")
    found = f"{'the output' if file is None else 'the record'} is on {mount.kind}, mounted at {mount.point}"
    if file is None or not mount.is_network:
        return Finding("file system", Status.OK, found)
    advice = (
        "SQLite loses locks on the file system of a network: give --join, with which one of the commands "
        f"serves the record, or serve it yourself (`mlflow server --backend-store-uri {tracking_uri} --host "
        "ADDRESS`) and give --tracking-uri http://ADDRESS:5000"
    )
    return Finding("file system", Status.WARN, found, advice)


def check_disk(places: Mapping[str, Path]) -> Finding:
    """How much is free where a run writes.

    Args:
        places: by what they are for; `RAY` names that of Ray's files.
    """
    advice = "make room, or choose other disks by --output, --storage and RAY_TMPDIR"
    told, status = [], Status.OK
    for use, place in places.items():
        there = existing(place)
        usage, files = shutil.disk_usage(there), os.statvfs(there)
        remarks = [f"{use} ({there}) {bytes_of(usage.free)}"]
        if use == RAY and usage.used > FULL_FOR_RAY * usage.total:
            remarks.append(f"{usage.used / usage.total:.0%} full, where Ray keeps no more objects")
        if files.f_files > 0 and files.f_favail < FEW_FILES:
            remarks.append(f"room for {files.f_favail} files")
        told.append(", ".join(remarks))
        if usage.free < LOW_BYTES:
            status = Status.FAIL
        elif status == Status.OK and (len(remarks) > 1 or (usage.free < FEW_BYTES and use != RAY)):
            status = Status.WARN
    return Finding("disk", status, f"free: {'; '.join(told)}", "" if status == Status.OK else advice)
