"""This machine's GPU, and whether what it computes can be used."""

import os
from pathlib import Path

import torch

from ablation.sweep.doctor.finding import Finding, Status
from ablation.sweep.doctor.units import bytes_of
from ablation.worker.gpu import MOST_APART, bfloat16_apart, dotted, why_unusable, why_weak, why_wrong
from ablation.worker.machine import processor
from t1t2core.training.compute import device_here

DRIVER = Path("/proc/driver/nvidia/version")
"""Where NVIDIA's driver tells its version; without a driver there is no such file."""
VISIBLE = "CUDA_VISIBLE_DEVICES"


def check_gpu(driver: Path = DRIVER) -> Finding:
    """Whether torch can use the GPU of this machine, where there is one.

    Args:
        driver: where NVIDIA's driver tells its version.
    """
    there = driver.exists()
    if not torch.cuda.is_available():
        if not there:
            return Finding("gpu", Status.OK, "no NVIDIA driver here, trials run on processors: skipped")
        if os.environ.get(VISIBLE, "unset").strip() in ("", "-1", "NoDevFiles"):
            return Finding("gpu", Status.OK, f"GPUs are hidden from this process by {VISIBLE}: skipped")
        return Finding("gpu", Status.FAIL, f"driver {driver_version(driver)}", why_unusable())
    cards = ", ".join(_card(number) for number in range(torch.cuda.device_count()))
    told = f"driver {driver_version(driver)}, " if there else ""
    cudnn = torch.backends.cudnn.version()
    found = f"{cards}; {told}CUDA {torch.version.cuda}, cuDNN {dotted(cudnn) if cudnn else 'none'}"
    advice = why_weak(cudnn) if device_here().bfloat16 else ""
    return Finding("gpu", Status.WARN if advice else Status.OK, found, advice)


def check_convolutions() -> Finding:
    """Whether convolutions in bfloat16 agree with float32, on the GPU or else on the processor."""
    if torch.cuda.is_available():
        device = device_here()
        wrong = why_wrong("bfloat16" if device.bfloat16 else "float32")
        if wrong:
            return Finding("bfloat16", Status.FAIL, wrong)
        name = torch.cuda.get_device_name()
        if not device.bfloat16:
            return Finding("bfloat16", Status.OK, f"{name} computes in float32 only, which works: skipped")
        apart = bfloat16_apart("cuda")
    else:
        name, apart = processor(), bfloat16_apart("cpu")
    found = f"3-D convolutions on {name} differ from float32 by {apart:.2g} of the largest value"
    if apart <= MOST_APART:
        return Finding("bfloat16", Status.OK, found)
    return Finding("bfloat16", Status.FAIL, found, "set `training.precision: float32`, or update torch")


def driver_version(file: Path = DRIVER) -> str:
    """Return the version of NVIDIA's driver, from `NVRM version: ... Module for x86_64  580.65.06 ...`."""
    words = file.read_text(encoding="utf-8").splitlines()[0].split()
    return next((word for word in words if word.replace(".", "").isdigit() and "." in word), "unknown")


def _card(number: int) -> str:
    card = torch.cuda.get_device_properties(number)
    free, total = torch.cuda.mem_get_info(number)
    return f"{card.name} ({bytes_of(free)} of {bytes_of(total)} free)"
