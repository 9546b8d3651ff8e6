"""The Ray cluster that trials run on."""

import logging
import os
import signal
import socket
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

import ray

from ablation import compat
from ablation.plan.resources import TrialResources
from ablation.space.resources import Resources
from ablation.store.storage import first_line
from ablation.sweep.cluster_checks import check_entry, check_machines
from ablation.sweep.machines import machines
from ablation.worker.gpu import why_unusable
from t1t2core.errors import InputError
from t1t2core.training.compute import Device, device_here

LOCAL = "local"
"""Address of a Ray that is started on this machine for one command."""
ANSWER_SECONDS = 10.0
RAY_FOLDER = "RAY_TMPDIR"
"""Environment variable by which Ray is told where to put its sockets and logs."""
SHORT_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm")
"""For Ray's sockets where the folder for temporary files has too long a name."""
LONGEST_SOCKET = "session_2000-01-01_00-00-00_000000_4194304/sockets/plasma_store"
"""A name of a socket as long as any that Ray gives, below the folder that it is given."""
WITHOUT_BFLOAT16 = ("V100", "P100", "T4", "P4", "K80")
"""GPUs that emulate bfloat16, by Ray's names: those from before compute capability 8.0."""


@contextmanager
def connect(address: str) -> Iterator[None]:
    """Start Ray on this machine (`local`) or join a cluster, and leave it again at the end.

    Raises:
        InputError: there is no cluster at the address, or it cannot run this project.
    """
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    if address != LOCAL:
        _check_answers(address)
        check_entry(address)
    with folder_for_ray() if address == LOCAL else nullcontext() as folder:
        _start(address, folder)
        # Schedulers of clusters stop a job with SIGTERM: it ends as cleanly as with Ctrl-C.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            if address != LOCAL:
                check_machines()
            yield
        finally:
            # Interrupted half-way, Ray ends the process with status 1 when it next looks at an object.
            with _interrupts_wait():
                ray.shutdown()


def _start(address: str, folder: str | None) -> None:
    """Start or join Ray; `folder` is for what it writes on this machine, None as the cluster has it."""
    is_local = address == LOCAL
    try:
        ray.init(
            address=address,
            log_to_driver=False,
            logging_level=logging.CRITICAL,
            include_dashboard=False if is_local else None,
            num_cpus=min(compat.cores(), compat.cores_by_ray()) if is_local else None,
            _temp_dir=folder,
            # Workers of a Ray that is started here have our environment. Variables alone install nothing, and
            # are the same for the whole job, so that its workers are still reused.
            runtime_env=None if is_local else {"env_vars": compat.of_workers()},
        )
    except Exception as error:  # plain ones too, where a process of its own does not come up in time
        where = "Ray cannot be started here" if is_local else f"no Ray cluster answers at {address}"
        raise InputError(f"{where}: {first_line(error)}") from error


def folder_for_ray() -> "tempfile.TemporaryDirectory[str]":
    """Return a new folder for the sockets and logs of a Ray of our own.

    The usual one, `/tmp/ray`, may be another user's, and the TMPDIR of a cluster's job is often longer than
    the name of a socket may be (unix(7): 107 bytes).

    Raises:
        InputError: no folder takes sockets.
    """
    asked = os.environ.get(RAY_FOLDER)
    failures = []
    for place in map(os.path.abspath, [asked] if asked else [tempfile.gettempdir(), *SHORT_FOLDERS]):
        try:
            _bind_longest_socket(place)
            return _new_folder(place)
        except OSError as error:
            failures.append(f"{place}: {error.strerror or error}")
    raise InputError(
        f"Ray's sockets can be put nowhere ({'; '.join(failures)}); "
        f"set {RAY_FOLDER} to a folder of yours on a disk of this machine, with a short name"
    )


def _bind_longest_socket(place: str) -> None:
    """Make, and remove again, a socket with a name as long as any of Ray's; OSError where that fails."""
    with _new_folder(place) as folder, socket.socket(socket.AF_UNIX) as there:
        there.bind(str(Path(folder) / LONGEST_SOCKET.replace("/", "-")))


def _new_folder(place: str) -> "tempfile.TemporaryDirectory[str]":
    # What Ray leaves running writes to its logs for some moments more.
    return tempfile.TemporaryDirectory(prefix="ray-", dir=place, ignore_cleanup_errors=True)


@contextmanager
def _interrupts_wait() -> Iterator[None]:
    """Raise KeyboardInterrupt at the end, not in the middle."""
    came: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    usual = [signal.signal(number, lambda number, _: came.append(number)) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, usual, strict=True):
            signal.signal(number, handler)
    if came:
        raise KeyboardInterrupt


def _check_answers(address: str) -> None:
    """Refuse an address where nobody listens: Ray itself would wait for minutes."""
    host, _, port = address.rpartition("/")[2].rpartition(":")
    if not port.isdigit():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise InputError(f"no Ray cluster answers at {address}: {error}") from error


def request_of(resources: Resources) -> TrialResources:
    """Return what a trial asks for; a GPU each where there are any, unless the space says otherwise.

    Raises:
        InputError: no machine that the cluster has, or may get, has it: trials would wait for ever.
    """
    there = [machine for machine, _ in machines()]
    gpus = resources.gpus if resources.gpus != "auto" else float(any("GPU" in machine for machine in there))
    wanted = TrialResources(cpus=float(resources.cpus), gpus=float(gpus))
    if not any(_fitting(wanted, machine) for machine in there):
        raise InputError(_why_none_fits(wanted, there))
    return wanted


def check_gpu(resources: TrialResources, address: str) -> None:
    """Refuse a GPU of this machine that torch cannot use; those of a cluster are looked at by a first step.

    Raises:
        InputError: trials ask for it; the message says what to do.
    """
    if resources.gpus and address == LOCAL and (reason := why_unusable()):
        raise InputError(reason)


def device_of(resources: TrialResources) -> Device:
    """Return what trials that ask for this are computed on.

    Where machines have different GPUs the oldest counts. Processors are taken to be like this machine's.
    """
    if not resources.gpus:
        return device_here(kind="cpu")
    there = {name for machine, _ in machines() if "GPU" in machine for name in machine}
    old = any(f"accelerator_type:{name}" in there for name in WITHOUT_BFLOAT16)
    return Device(kind="cuda", bfloat16=not old)


def slots_of(resources: TrialResources) -> int:
    """Return how many trials that ask for this fit into the cluster at once, full grown, at least one."""
    return max(1, sum(_fitting(resources, machine) * number for machine, number in machines()))


def _amounts(resources: TrialResources) -> dict[str, float]:
    """Return the amounts by Ray's names."""
    return {"CPU": resources.cpus, "GPU": resources.gpus}


def _fitting(resources: TrialResources, machine: Mapping[str, float]) -> int:
    """Return how many trials a machine has room for."""
    wanted = {name: amount for name, amount in _amounts(resources).items() if amount}
    return int(min((machine.get(name, 0.0) // amount for name, amount in wanted.items()), default=1))


def _why_none_fits(wanted: TrialResources, there: Sequence[Mapping[str, float]]) -> str:
    for name, amount in _amounts(wanted).items():
        most = max((machine.get(name, 0.0) for machine in there), default=0.0)
        if amount > most:
            has = "the cluster has" if len(there) < 2 else "the largest machine of the cluster has"
            return f"resources.{name.lower()}s: a trial asks for {amount:g}, {has} {most:g}"
    return f"resources: no machine of the cluster has {wanted.cpus:g} cpus and {wanted.gpus:g} gpus"
