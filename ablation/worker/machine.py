"""The kind of machine that a trial runs on."""

import os
import platform
from pathlib import Path

import torch

from ablation.plan.resources import DeviceKind


def this_machine(device: DeviceKind) -> str:
    """Return what this machine computes on: its processor, its cores, and the GPU if that is the device."""
    gpu = torch.cuda.get_device_name() if device == "cuda" and torch.cuda.is_available() else "no GPU"
    return f"{processor()}, {os.cpu_count()} cores, {gpu}"


def processor() -> str:
    """Return the processor's model and its widest arithmetic, by which scores differ in their digits."""
    listed = Path("/proc/cpuinfo")
    lines = listed.read_text(encoding="utf-8").splitlines() if listed.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{named[0] if named else platform.machine()} ({torch.backends.cpu.get_cpu_capability()})"
