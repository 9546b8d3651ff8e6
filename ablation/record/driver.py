"""Who runs a trial: the driver's name in the record, and whether it is still there.

Two drivers may work on one record. Each run under way carries its driver's name and a heartbeat; a driver
leaves alone what beats, and takes over what has stopped.
"""

import os
import socket
import threading
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import psutil

from ablation.names import DRIVER, HEARTBEAT

GONE_LEASES = 10
"""Leases after which a heartbeat is that of a driver that is gone, at the first look."""
LONGEST_WATCH_SECONDS = 86_400.0
_seen: dict[tuple[str, str], float] = {}
"""When this process saw each heartbeat of a driver first, by a clock that nobody sets."""
_seeing = threading.Lock()


@cache
def this_driver() -> str:
    """This process: machine, process number and start, unlike any other's."""
    return f"{_machine()}/{os.getpid()}/{_started(os.getpid())}"


def heartbeat(driver: str) -> dict[str, str]:
    """The tags that keep a run a driver's for another lease."""
    return {DRIVER: driver, HEARTBEAT: f"{time.time():.0f}"}


def is_live(tags: Mapping[str, str], lease_seconds: float) -> bool:
    """Whether a driver is at work on the run with these tags.

    On this machine a driver that is gone is known to be gone at once. On another it counts as gone once it
    has been seen with the same heartbeat for a lease, by this process's own clock: machines that share a
    record need not agree about the time.
    """
    if not may_be_live(tags, lease_seconds):
        return False
    return _watched_for(tags.get(DRIVER, ""), tags.get(HEARTBEAT, "")) < lease_seconds


def may_be_live(tags: Mapping[str, str], lease_seconds: float) -> bool:
    """Whether a driver is not known to be gone at a first look at its tags.

    One whose heartbeat is very old is gone, unless clocks differ by as much.
    """
    machine, _, process = tags.get(DRIVER, "").partition("/")
    number, _, started = process.partition("/")
    if machine == _machine() and number.isdigit() and _started(int(number)) != started:
        return False
    return time.time() - float(tags.get(HEARTBEAT, 0)) < GONE_LEASES * lease_seconds


def _watched_for(driver: str, beat: str) -> float:
    """For how many seconds this process has known a heartbeat."""
    now = time.monotonic()
    with _seeing:
        while _seen and now - next(iter(_seen.values())) > LONGEST_WATCH_SECONDS:
            del _seen[next(iter(_seen))]
        return now - _seen.setdefault((driver, beat), now)


@cache
def _machine() -> str:
    """Name of the machine, or of the container: process numbers mean something only within it."""
    spaces = Path("/proc/self/ns/pid")
    boot = Path("/proc/sys/kernel/random/boot_id")
    parts = [
        socket.gethostname(),
        boot.read_text(encoding="ascii").strip() if boot.exists() else "",
        os.readlink(spaces) if spaces.exists() else "",
    ]
    return " ".join(part for part in parts if part).replace("/", "-")


def _started(process: int) -> str:
    """When a process of this machine started, so that a number used again is not mistaken; '' if gone.

    In hundredths of a second from the machine's start: the time of day may be set meanwhile.
    """
    try:
        found = psutil.Process(process)
        if found.status() == psutil.STATUS_ZOMBIE:
            return ""
        return f"{100 * (found.create_time() - psutil.boot_time()):.0f}"
    except psutil.Error:
        return ""
