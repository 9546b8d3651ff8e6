"""All checks, one after the other."""

import os
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ablation.record.ledger import record_address
from ablation.sweep.cluster import RAY_FOLDER
from ablation.sweep.doctor import folders, gpu, machine, ray_here, services, versions
from ablation.sweep.doctor.finding import Check, Finding
from ablation.sweep.doctor.machines import examine_cluster


def examine(
    *,
    output: Path,
    storage: str | None = None,
    tracking_uri: str | None = None,
    address: str | None = None,
) -> Iterator[Finding]:
    """Look at this machine, at folders, record and storage, and at the cluster if there is one.

    Ray is started or joined only where an address is given, here or by `RAY_ADDRESS`. Nothing is left behind.

    Args:
        output: folder for all that a run writes on this machine.
        storage: address of the object storage; a folder below the output if None.
        tracking_uri: MLflow's address, as for a run.
        address: of the Ray cluster; `local` starts a Ray here.

    Raises:
        InputError: no record can have the address.
    """
    return _findings(
        output,
        storage or str(output / "store"),
        record_address(output, tracking_uri),
        address or os.environ.get("RAY_ADDRESS"),
    )


def _findings(output: Path, storage: str, tracking_uri: str, address: str | None) -> Iterator[Finding]:
    for check in _checks(output, tracking_uri, storage):
        yield check.finding()
    if address:  # only the main thread may join Ray, and Ray has time limits of its own
        yield from examine_cluster(address, storage)


def _checks(output: Path, tracking_uri: str, storage: str) -> list[Check]:
    limits = machine.limits_of
    return [
        Check("versions", versions.check_versions),
        Check("cores", lambda: machine.check_cores(limits())),
        Check("memory", lambda: machine.check_memory(limits())),
        Check("shared memory", lambda: machine.check_shared_memory(limits())),
        Check("scheduler", machine.check_scheduler),
        Check("gpu", gpu.check_gpu),
        Check("bfloat16", gpu.check_convolutions),
        Check("ray's folder", ray_here.check_ray_folder),
        Check("ports", ray_here.check_ports),
        Check("output", partial(folders.check_rights, output)),
        Check("clock", partial(folders.check_clock, output)),
        Check("locks", partial(folders.check_locks, output)),
        Check("file system", partial(folders.check_file_system, output, tracking_uri)),
        Check("disk", lambda: folders.check_disk(_places(output, storage))),
        Check("record", partial(services.check_record, tracking_uri)),
        Check("storage", partial(services.check_storage, storage)),
    ]


def _places(output: Path, storage: str) -> dict[str, Path]:
    """Where a run writes on this machine."""
    places = {"output": output, folders.RAY: Path(os.environ.get(RAY_FOLDER) or tempfile.gettempdir())}
    if "://" not in storage:
        places["storage"] = Path(storage)
    return places
