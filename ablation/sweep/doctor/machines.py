"""The machines of a Ray cluster: versions, clock, GPUs, and whether each sees the storage's folder."""

import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from ablation.store.file_system import existing
from ablation.store.storage import Storage, first_line, public
from ablation.sweep.cluster import connect
from ablation.sweep.doctor.finding import Finding, Status
from ablation.sweep.doctor.folders import PREFIX, apart, judge_clock
from ablation.sweep.doctor.gpu import DRIVER, driver_version
from ablation.sweep.doctor.versions import INSTALL, listed, versions_here
from t1t2core.errors import InputError

ANSWER_SECONDS = 60.0
"""Within which a machine starts a process and answers."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a machine says of itself.

    Args:
        versions: of Python and libraries, by name.
        driver: version of NVIDIA's driver; empty without one.
        sees: whether the file that was asked for is there.
    """

    versions: Mapping[str, str]
    driver: str
    sees: bool


class Witness:
    """A process on a machine of the cluster. All machines have this code: that is checked when joining."""

    def tell(self, file: str) -> Told:
        """Return what is there, also whether it has this file."""
        driver = driver_version() if DRIVER.exists() else ""
        return Told(versions=versions_here(), driver=driver, sees=Path(file).exists())

    def clock(self) -> float:
        """Return this machine's time, seconds since 1970."""
        return time.time()


def examine_cluster(address: str, storage: str) -> Iterator[Finding]:
    """Join a cluster, and look at each of its machines.

    Args:
        address: of Ray, or `local` for one that is started here.
        storage: the address of the storage that trials would use.
    """
    try:
        with connect(address), _file_in(storage) as file:
            nodes = [node for node in ray.nodes() if node["Alive"]]
            number = "1 machine" if len(nodes) == 1 else f"{len(nodes)} machines"
            yield Finding("cluster", Status.OK, f"{address}: {number} with our Ray, Python and code")
            for node in nodes:
                yield from _look_at(node, storage, file)
    except InputError as error:
        yield Finding("cluster", Status.FAIL, str(error))
    except Exception as error:  # whatever Ray raises where machines come and go
        advice = "look at the cluster with `ray status`"
        yield Finding("cluster", Status.FAIL, f"{type(error).__name__}: {first_line(error)}", advice)


@contextmanager
def _file_in(storage: str) -> Iterator[str]:
    """Yield a file that is in the storage's folder for now; empty where storage is a bucket, or of no use."""
    name = ""
    with ExitStack() as held:
        with suppress(InputError, OSError):  # the check of the storage itself has told it
            opened = Storage(storage)
            if opened.is_local:
                there = existing(Path(opened.address))
                name = held.enter_context(tempfile.NamedTemporaryFile(dir=there, prefix=PREFIX)).name
        yield name


def _look_at(node: Mapping[str, Any], storage: str, file: str) -> list[Finding]:
    """Return what a machine says of itself, and its clock."""
    name = f"machine {node['NodeManagerAddress']}"
    there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
    try:
        witness: Any = ray.remote(num_cpus=0)(Witness).options(scheduling_strategy=there).remote()
        told: Told = ray.get(witness.tell.remote(file), timeout=ANSWER_SECONDS)
        before = time.time()
        clock: float = ray.get(witness.clock.remote(), timeout=ANSWER_SECONDS)
        seconds = apart(clock, before, time.time())
    except GetTimeoutError:
        advice = "it may have no room for a process (memory), or have gone: look at it with `ray status`"
        return [Finding(name, Status.FAIL, f"no answer within {ANSWER_SECONDS:g} s", advice)]
    except RayError as error:
        advice = "look at it with `ray status`, and at the logs in its folder for Ray"
        return [Finding(name, Status.FAIL, first_line(error), advice)]
    clocks = judge_clock(f"{name}, clock", seconds, "its clock")
    return [judge(name, told, _has(node["Resources"]), storage if file else ""), clocks]


def _has(resources: Mapping[str, float]) -> str:
    cores, gpus = resources.get("CPU", 0), resources.get("GPU", 0)
    kinds = [key.partition(":")[2] for key in resources if key.startswith("accelerator_type:")]
    return f"{cores:g} cores, {gpus:g} GPUs{f' ({kinds[0]})' if kinds else ''}"


def judge(name: str, told: Told, has: str, shared: str, here: Mapping[str, str] | None = None) -> Finding:
    """Return what speaks against a machine that has told what is there.

    Args:
        name: of the check.
        has: its cores and GPUs.
        shared: the folder whose file it was asked for; empty if none was.
        here: versions of this machine; asked for if None.
    """
    here = versions_here() if here is None else here
    driver = f", driver {told.driver}" if told.driver else ""
    found = f"{has}{driver}, {listed(told.versions)}"
    if shared and not told.sees:
        advice = (
            "mount that folder there at the same path, or give --storage an address that all machines reach"
        )
        return Finding(
            name, Status.FAIL, f"{found}; it does not see the storage's folder {public(shared)}", advice
        )
    other = {key: number for key, number in here.items() if told.versions.get(key) != number}
    if other:
        return Finding(name, Status.WARN, found, f"here are {listed(other)}; on all machines: {INSTALL}")
    return Finding(name, Status.OK, found)
