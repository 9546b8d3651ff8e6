"""How much memory a trial has had at its peak."""

from pathlib import Path

import torch

STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")
RESET_PEAK = "5"
"""What sets the peak resident size to the present one (Linux, proc(5))."""


def reset_peak(device: str) -> None:
    """Forget what was used before, so that a reused worker measures each trial by itself."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    elif CLEAR.exists():
        CLEAR.write_text(RESET_PEAK, encoding="utf-8")


def peak_mb(device: str) -> float:
    """Return the peak since `reset_peak`, MB: tensors on a GPU, the process's resident memory on a CPU."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 1e6
    for line in STATUS.read_text(encoding="utf-8").splitlines() if STATUS.exists() else ():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    return float("nan")
