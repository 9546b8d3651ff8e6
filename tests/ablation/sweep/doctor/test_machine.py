"""A job that has less than the machine: cgroups of both versions, Slurm's variables, a small /dev/shm."""

import math
import os
from pathlib import Path

import pytest

from ablation.compat import cores_by_ray
from ablation.sweep.doctor.finding import Status
from ablation.sweep.doctor.machine import (
    Limits,
    check_cores,
    check_memory,
    check_scheduler,
    check_shared_memory,
    limits_of,
)


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def test_limits_of_a_slurm_job_on_cgroup_2_are_those_of_the_narrowest_group(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "own": "0::/system.slice/job_7/step_0\n",
            "groups/system.slice/job_7/memory.max": "8000000000\n",
            "groups/system.slice/job_7/step_0/memory.max": "max\n",
            "groups/system.slice/job_7/step_0/cpu.max": "250000 100000\n",
            "groups/system.slice/cpu.max": "max 100000\n",
        },
    )
    assert limits_of(tmp_path / "groups", tmp_path / "own") == Limits(cores=2.5, memory=8e9)


def test_limits_of_a_container_on_cgroup_1_whose_own_group_is_not_to_be_seen(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "own": "4:memory:/docker/abc\n1:cpu:/docker/abc\n",
            "groups/memory/memory.limit_in_bytes": "4000000000\n",
            "groups/cpu/cpu.cfs_quota_us": "100000\n",
            "groups/cpu/cpu.cfs_period_us": "100000\n",
        },
    )
    assert limits_of(tmp_path / "groups", tmp_path / "own") == Limits(cores=1.0, memory=4e9)


def test_without_limits_there_are_none(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "own": "4:memory:/\n1:cpu:/\n",
            "groups/memory/memory.limit_in_bytes": "9223372036854771712\n",
            "groups/cpu/cpu.cfs_quota_us": "-1\n",
            "groups/cpu/cpu.cfs_period_us": "100000\n",
        },
    )
    assert limits_of(tmp_path / "groups", tmp_path / "own") == Limits(math.inf, math.inf)
    assert limits_of(tmp_path / "groups", tmp_path / "none") == Limits(), "not Linux"


def test_cores_that_a_run_would_take_and_the_job_has_not_are_to_be_looked_at() -> None:
    assert check_cores(Limits(), {}).status == Status.OK
    assert check_cores(Limits(cores=64.0), {"SLURM_CPUS_PER_TASK": "64"}).status == Status.OK
    assert check_cores(Limits(), {"SLURM_CPUS_PER_TASK": "1"}).status == Status.OK, "a run goes by it"
    if cores_by_ray() == 1:
        pytest.skip("there is but one core")
    finding = check_cores(Limits(cores=1.5), {})
    assert finding.status == Status.WARN
    assert "--max-concurrent 1" in finding.advice


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity") or os.cpu_count() == 1, reason="cannot be held")
def test_a_process_that_is_held_to_one_core_is_told_so() -> None:
    """As Slurm does with task/affinity; Ray alone does not look at it."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        finding = check_cores(Limits(), {})
    finally:
        os.sched_setaffinity(0, before)
    assert finding.status == Status.OK, "a run goes by it"
    assert "1 for this process" in finding.found


@pytest.mark.parametrize(
    ("free", "limit", "status"),
    [(8e9, math.inf, "ok"), (3e9, math.inf, "warn"), (8e9, 2e9, "warn"), (0.5e9, math.inf, "fail")],
)
def test_memory_that_is_used_up_or_not_given(free: float, limit: float, status: str) -> None:
    finding = check_memory(Limits(memory=limit), free)
    assert finding.status == status
    assert ("ask the scheduler for more" in finding.advice) == (status != "ok")
    assert ("by its cgroup" in finding.found) == (limit < math.inf)


def test_a_containers_small_shared_memory_is_to_be_looked_at(tmp_path: Path) -> None:
    """64 MB are Docker's default."""
    finding = check_shared_memory(Limits(memory=8e9), tmp_path, size=64e6)
    assert finding.status == Status.WARN
    assert "64 MB free, Ray's object store wants up to 2.4 GB" in finding.found
    assert "--shm-size=3g" in finding.advice
    assert check_shared_memory(Limits(memory=8e9), tmp_path, size=3e9).status == Status.OK
    skipped = check_shared_memory(Limits(), tmp_path / "none")
    assert (skipped.status, skipped.found.endswith(": skipped")) == (Status.OK, True)


def test_gpus_that_slurm_counts_and_does_not_name_are_to_be_looked_at() -> None:
    assert check_scheduler({}).found.endswith(": skipped")
    given = {"SLURM_JOB_ID": "7", "SLURM_GPUS_ON_NODE": "2"}
    finding = check_scheduler(given)
    assert finding.status == Status.WARN
    assert "Slurm gave 2 GPUs, and CUDA_VISIBLE_DEVICES names none" in finding.advice
    fine = check_scheduler({**given, "CUDA_VISIBLE_DEVICES": "GPU-5a1c,GPU-77e0", "HOME": "/root"})
    assert (fine.status, "HOME" in fine.found) == (Status.OK, False)
