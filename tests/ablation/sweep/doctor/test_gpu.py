"""A machine without a GPU, one whose driver torch cannot use, and convolutions that are wrong."""

from pathlib import Path

import pytest
import torch

from ablation.sweep.doctor.finding import Status
from ablation.sweep.doctor.gpu import check_convolutions, check_gpu, driver_version
from ablation.worker.gpu import why_weak

DRIVER = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build  (dvs-builder)\n"

without_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")


@pytest.fixture
def driver(tmp_path: Path) -> Path:
    """As NVIDIA's driver tells its version."""
    file = tmp_path / "version"
    file.write_text(DRIVER, encoding="utf-8")
    return file


@without_gpu
def test_without_a_gpu_the_check_is_skipped_and_says_so(tmp_path: Path) -> None:
    finding = check_gpu(tmp_path / "none")
    assert (finding.status, finding.advice) == (Status.OK, "")
    assert finding.found.endswith(": skipped")


@without_gpu
def test_a_driver_that_torch_cannot_use_is_a_failure(driver: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    finding = check_gpu(driver)
    assert (finding.status, finding.found) == (Status.FAIL, "driver 580.65.06")
    assert "https://pytorch.org" in finding.advice


@without_gpu
def test_gpus_that_are_hidden_are_no_failure(driver: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    finding = check_gpu(driver)
    assert finding.status == Status.OK
    assert "hidden from this process by CUDA_VISIBLE_DEVICES" in finding.found


def test_a_driver_that_tells_nothing_has_an_unknown_version(tmp_path: Path) -> None:
    file = tmp_path / "version"
    file.write_text("NVRM version: none of it\n", encoding="utf-8")
    assert driver_version(file) == "unknown"


def test_an_old_cudnn_is_named_with_what_to_install() -> None:
    assert "cuDNN 9.10" in why_weak(91002)
    assert "9.15 or newer" in why_weak(91002)
    assert (why_weak(91500), why_weak(None)) == ("", "")


def test_convolutions_that_are_wrong_are_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_convolutions().status == Status.OK
    real = torch.nn.functional.conv3d

    def wrong(image: torch.Tensor, kernel: torch.Tensor, padding: int) -> torch.Tensor:
        found = real(image, kernel, padding=padding)
        return found * 2 if image.dtype == torch.bfloat16 else found

    monkeypatch.setattr(torch.nn.functional, "conv3d", wrong)
    finding = check_convolutions()
    assert finding.status == Status.FAIL
    assert "training.precision: float32" in f"{finding.found} {finding.advice}"
