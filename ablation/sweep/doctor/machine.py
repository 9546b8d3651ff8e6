"""What this machine, its container and its scheduler leave to a sweep: cores, memory, shared memory."""

import math
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from ablation.compat import cores, cores_by_ray
from ablation.sweep.doctor.finding import Finding, Status
from ablation.sweep.doctor.gpu import VISIBLE
from ablation.sweep.doctor.units import bytes_of

CGROUPS, OWN_CGROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
"""Where Linux keeps the limits of groups of processes, and names those that a process is in."""
UNLIMITED_BYTES = 1 << 60
"""From here on a limit of memory is none: version 1 of cgroups writes a number near 2**63."""
LOW_BYTES, FEW_BYTES = 1_000_000_000, 4_000_000_000
"""Of free memory: a worker that trains the demo preset takes some 0.7 GB beside driver and Ray."""
SHARED_MEMORY = Path("/dev/shm")
OBJECT_STORE_SHARE, OBJECT_STORE_BYTES = 0.3, 10_000_000_000
"""Of the memory, Ray has so much for its object store, or somewhat less where it is more than this."""
GPUS_GIVEN, CORES_GIVEN = "SLURM_GPUS_ON_NODE", "SLURM_CPUS_PER_TASK"
SET_BY_SCHEDULERS = (
    *(VISIBLE, "SLURM_JOB_ID", "SLURM_JOB_NODELIST", CORES_GIVEN, "SLURM_CPUS_ON_NODE"),
    *(GPUS_GIVEN, "SLURM_JOB_GPUS", "SLURM_MEM_PER_NODE", "SLURM_MEM_PER_CPU"),
)


@dataclass(frozen=True)
class Limits:
    """What a control group leaves to its processes; infinite where it does not say."""

    cores: float = math.inf
    memory: float = math.inf


def limits_of(root: Path = CGROUPS, own: Path = OWN_CGROUPS) -> Limits:
    """Return the narrowest limits of this process's control groups, of version 1 or 2.

    Args:
        root: where the groups are.
        own: file that names those of this process.
    """
    if not own.exists():
        return Limits()
    folders = list(_groups(root, own))
    return Limits(
        cores=min((_quota(folder) for folder in folders), default=math.inf),
        memory=min((_most_bytes(folder) for folder in folders), default=math.inf),
    )


def _groups(root: Path, own: Path) -> Iterator[Path]:
    """Folders of the groups of a process and of those above: in a container only the topmost may be there."""
    for line in own.read_text(encoding="utf-8").splitlines():
        _, controllers, path = line.split(":", 2)
        top = root / controllers if controllers else root
        for group in (Path(path), *Path(path).parents):
            yield top / group.relative_to("/") if group.is_absolute() else top


def _quota(folder: Path) -> float:
    """Cores by the time that a group may compute in each period."""
    both = _words(folder / "cpu.max")
    words = both or [*_words(folder / "cpu.cfs_quota_us"), *_words(folder / "cpu.cfs_period_us")]
    if len(words) < 2 or words[0] == "max" or int(words[0]) <= 0:
        return math.inf
    return int(words[0]) / int(words[1])


def _most_bytes(folder: Path) -> float:
    words = _words(folder / "memory.max") or _words(folder / "memory.limit_in_bytes")
    if not words or words[0] == "max" or int(words[0]) >= UNLIMITED_BYTES:
        return math.inf
    return float(words[0])


def _words(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").split()
    except OSError:
        return []


def check_cores(limits: Limits, environment: Mapping[str, str] = os.environ) -> Finding:
    """Whether a run would take more cores than this process has.

    Args:
        limits: of the control group.
        environment: with what a scheduler has set.
    """
    counted = min(cores(environment), cores_by_ray())
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else counted
    given = environment.get(CORES_GIVEN, "")
    usable = int(min(allowed, limits.cores, int(given) if given.isdigit() else math.inf))
    quota = "" if limits.cores == math.inf else f", {limits.cores:g} by its cgroup"
    told = f", {given} by {CORES_GIVEN}" if given else ""
    found = f"{os.cpu_count()} in this machine, {allowed} for this process{quota}{told}"
    if counted <= max(usable, 1):
        return Finding("cores", Status.OK, found)
    advice = f"a run would take {counted}, which slow each other down: give --max-concurrent {max(usable, 1)}"
    return Finding("cores", Status.WARN, found, advice)


def check_memory(limits: Limits, available: float | None = None) -> Finding:
    """Whether there is memory for a few trials.

    Args:
        limits: of the control group.
        available: bytes that can be had without swapping; as it is now if None.
    """
    memory = psutil.virtual_memory()
    available = memory.available if available is None else available
    limit = "" if limits.memory == math.inf else f", at most {bytes_of(limits.memory)} by its cgroup"
    found = f"{bytes_of(available)} free of {bytes_of(memory.total)}{limit}"
    left = min(available, limits.memory)
    if left >= FEW_BYTES:
        return Finding("memory", Status.OK, found)
    advice = "end what else runs here, ask the scheduler for more, or run fewer trials by --max-concurrent"
    return Finding("memory", Status.FAIL if left < LOW_BYTES else Status.WARN, found, advice)


def check_shared_memory(limits: Limits, folder: Path = SHARED_MEMORY, size: float | None = None) -> Finding:
    """Whether Ray's object store has room in shared memory, and does not go to a disk.

    Args:
        limits: of the control group.
        folder: where the system keeps it.
        size: of it, bytes; as it is if None.
    """
    if not sys.platform.startswith("linux") or not folder.exists():
        return Finding("shared memory", Status.OK, f"this system has no {folder}: skipped")
    usage = shutil.disk_usage(folder)
    free = usage.free if size is None else size
    wanted = min(OBJECT_STORE_SHARE * min(psutil.virtual_memory().total, limits.memory), OBJECT_STORE_BYTES)
    found = f"{folder} has {bytes_of(free)} free, Ray's object store wants up to {bytes_of(wanted)}"
    if free >= wanted:
        return Finding("shared memory", Status.OK, found)
    advice = (
        f"Ray takes a slow disk instead: remove what others left in {folder}, or start the container with "
        f"--shm-size={math.ceil(1.1 * wanted / 1e9)}g (Docker) or a volume of medium Memory (Kubernetes)"
    )
    return Finding("shared memory", Status.WARN, found, advice)


def check_scheduler(environment: Mapping[str, str] = os.environ) -> Finding:
    """What a scheduler has set, and whether it gave the GPUs that it says."""
    there = {name: environment[name] for name in SET_BY_SCHEDULERS if name in environment}
    if not there:
        return Finding("scheduler", Status.OK, f"neither Slurm's variables nor {VISIBLE} are set: skipped")
    found = ", ".join(f"{name}={value}" for name, value in there.items())
    given, visible = there.get(GPUS_GIVEN, ""), there.get(VISIBLE, "").strip()
    if given.isdigit() and int(given) and not visible:
        advice = (
            f"Slurm gave {given} GPUs, and {VISIBLE} names none: set it in this step too (srun --gpus), or "
            "have the administrator look at gres.conf"
        )
        return Finding("scheduler", Status.WARN, found, advice)
    return Finding("scheduler", Status.OK, found)
