"""A worker computes on what its trials have asked for, and takes no more of a GPU than its share."""

from pathlib import Path

import pytest
import torch

from ablation.plan.resources import device_for
from ablation.plan.study import Study
from ablation.worker.gpu import CACHE_BYTES, MOST_APART, GpuMemory, bfloat16_apart, cache_bytes, why_unusable
from ablation.worker.machine import this_machine
from ablation.worker.trial import Shared, Worker
from t1t2core.settings import Settings
from t1t2core.training.compute import Device

GB = 10**9


def shared(folder: Path) -> Shared:
    device = Device(kind="cpu", bfloat16=False)
    study = Study(settings=Settings(), device=device, cohort_fingerprint="", splits=())
    return Shared(
        study=study, subjects={}, storage=str(folder), threads=1, checkpoint_seconds=None, memory=None
    )


def test_who_asked_for_no_gpu_leaves_it_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Ray does not hide it from them."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert Worker(shared(tmp_path), 0.0).device == "cpu"
    assert "no GPU" in this_machine("cpu")
    assert device_for(0.25) == "cuda"


def test_as_many_fit_as_have_room_for_a_step_and_what_they_keep() -> None:
    assert GpuMemory(step=5 * GB, usable=80 * GB, total=80 * GB).fitting == 11
    assert GpuMemory(step=6 * GB, usable=16 * GB, total=16 * GB).fitting == 2
    assert GpuMemory(step=7 * GB, usable=8 * GB, total=16 * GB).fitting == 1, "with little to keep"
    assert GpuMemory(step=8 * GB, usable=8 * GB, total=16 * GB).fitting == 0, "nothing would be left free"


def test_what_a_worker_keeps_and_takes_follows_its_share() -> None:
    memory = GpuMemory(step=5 * GB, usable=40 * GB, total=80 * GB)
    assert memory.cache(0.5) == 13 * GB
    assert memory.cache(0.1) == 0, "a step takes it all"
    assert memory.limit(0.5) == pytest.approx(19.25 / 80), "torch's part of 20 GB"
    assert cache_bytes(None, 0.0) == cache_bytes(memory, 0.0) == CACHE_BYTES


def test_without_a_gpu_torch_says_what_to_do() -> None:
    assert "https://pytorch.org" in why_unusable()
    assert "gpus: 0" in why_unusable()


def test_bfloat16_is_near_float32_where_convolutions_are_right(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 0 < bfloat16_apart("cpu") < MOST_APART
    real = torch.nn.functional.conv3d

    def wrong(image: torch.Tensor, kernel: torch.Tensor, padding: int) -> torch.Tensor:
        found = real(image, kernel, padding=padding)
        return found.roll(1, dims=-1) if image.dtype == torch.bfloat16 else found

    monkeypatch.setattr(torch.nn.functional, "conv3d", wrong)
    assert bfloat16_apart("cpu") > MOST_APART
