"""All checks, one after the other."""

import logging
import os
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ablation.record.database import database_file
from ablation.record.ledger import record_address
from ablation.store.file_system import existing
from ablation.sweep.cluster import RAY_FOLDER
from ablation.sweep.doctor import folders, gpu, machine, ray_here, services, versions
from ablation.sweep.doctor.finding import Check, Finding, Status
from ablation.sweep.doctor.machines import examine_cluster
from ablation.sweep.workspace import Request
from t1t2core.errors import InputError

log = logging.getLogger(__name__)


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


def check_before_run(request: Request) -> None:
    """Look at what would spoil a run's record or its leases, which takes a moment; warn where it may.

    Raises:
        InputError: the record's folder has no locks, the output's clock is far from this machine's, or no
            record can have the address.
    """
    output = request.output
    address = record_address(output, request.tracking_uri)
    checks = []
    if _can_be_written(output):  # who cannot write there is told so by what would write
        checks.append(Check("clock", partial(folders.check_clock, output)))
    file = None if request.is_served else database_file(address)
    if file is not None and _can_be_written(file.parent):
        checks.append(Check("file system", partial(folders.check_file_system, output, address)))
        checks.append(Check("locks", partial(folders.check_locks, file.parent)))
    for finding in (check.finding() for check in checks):
        if finding.status == Status.FAIL:
            raise InputError(f"--output {output} cannot be used: {finding.told}")
        if finding.status == Status.WARN:
            log.warning(finding.told)


def _can_be_written(folder: Path) -> bool:
    there = existing(folder)
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


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
