"""All checks, one after the other."""

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ablation.record.ledger import record_address
from ablation.sweep.cluster import LOCAL
from ablation.sweep.doctor import folders, gpu, machine, ray_here, services, versions
from ablation.sweep.doctor.finding import Check, Finding
from ablation.sweep.doctor.machines import examine_cluster
from ablation.sweep.workspace import Request


def examine(request: Request) -> Iterator[Finding]:
    """Look at this machine, at the folders, record and storage of a request, and at its cluster if it has one.

    Ray is started or joined only where an address is asked for, and nothing is left behind.

    Raises:
        InputError: the request has an address that can be no record's.
    """
    tracking_uri = record_address(request.output, request.tracking_uri)
    return _findings(request, tracking_uri)


def _findings(request: Request, tracking_uri: str) -> Iterator[Finding]:
    storage = request.storage or str(request.output / "store")
    for check in _checks(request.output, tracking_uri, storage):
        yield check.finding()
    # Only the main thread may join Ray, and Ray has time limits of its own.
    if request.address or request.ray_address != LOCAL:
        yield from examine_cluster(request.ray_address, storage)


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
    places = {"output": output, folders.RAY: Path(tempfile.gettempdir())}
    if "://" not in storage:
        places["storage"] = Path(storage)
    return places
