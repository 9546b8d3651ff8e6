"""Times on a device that works on while the program goes on."""

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import torch


def wait(device: str) -> None:
    """Wait until the device has done what it was given."""
    if device == "cuda":
        torch.cuda.synchronize()


def seconds(work: Callable[[], Any], device: str) -> float:
    """Seconds by the clock, from an idle device to an idle device."""
    wait(device)
    started = time.perf_counter()
    work()
    wait(device)
    return time.perf_counter() - started


def milliseconds(work: Callable[[], Any], device: str, *, rounds: int = 7, warm: int = 2) -> float:
    """Median of the device's own time, without what the program takes to tell it what to do."""
    for _ in range(warm):
        work()
    taken = [_by_events(work) if device == "cuda" else 1000 * seconds(work, device) for _ in range(rounds)]
    return round(median(taken), 4)


def _by_events(work: Callable[[], Any]) -> float:
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    torch.cuda.synchronize()
    begin.record()
    work()
    end.record()
    torch.cuda.synchronize()
    return float(begin.elapsed_time(end))
