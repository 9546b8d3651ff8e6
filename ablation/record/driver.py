"""Who runs a trial: the driver's name in the record, and whether it is still there.

Two drivers may work on one record. Each run under way carries its driver's name and a heartbeat; a driver
leaves alone what beats, and takes over what has stopped.
"""

import os
import socket
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import psutil

from ablation.names import DRIVER, HEARTBEAT


@cache
def this_driver() -> str:
    """This process: machine, process number and start, unlike any other's."""
    return f"{_machine()}/{os.getpid()}/{_started(os.getpid())}"


def heartbeat(driver: str) -> dict[str, str]:
    """The tags that keep a run a driver's for another lease."""
    return {DRIVER: driver, HEARTBEAT: f"{time.time():.0f}"}


def is_live(tags: Mapping[str, str], lease_seconds: float) -> bool:
    """Whether a driver is at work on the run with these tags.

    On this machine a driver that is gone is known to be gone at once. On another it counts as gone once
    its last heartbeat is older than the lease, so the clocks of machines that share a record must agree to
    well within it.
    """
    machine, _, process = tags.get(DRIVER, "").partition("/")
    number, _, started = process.partition("/")
    if machine == _machine() and number.isdigit() and _started(int(number)) != started:
        return False
    return time.time() - float(tags.get(HEARTBEAT, 0)) < lease_seconds


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
