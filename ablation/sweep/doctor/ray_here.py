"""What a Ray needs that is started on this machine: a folder for its sockets, and ports."""

import os
import socket
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

from ablation.sweep.cluster import RAY_FOLDER, folder_for_ray
from ablation.sweep.doctor.finding import Finding, Status
from t1t2core.errors import InputError

USUAL = Path("/tmp/ray")
"""Where `ray start` puts sockets and logs unless it is told otherwise."""
PORTS = 64
"""As many as a Ray on a machine of some dozen cores opens, workers included."""
KNOWN_PORTS = {6379: "`ray start --head`", 8265: "Ray's dashboard", 5000: "`mlflow server`"}


def check_ray_folder(usual: Path = USUAL) -> Finding:
    """Whether Ray's sockets can be put somewhere: rights, and the length of their names.

    Args:
        usual: the folder of `ray start`.
    """
    try:
        with folder_for_ray() as folder:
            found = f"its sockets go below {Path(folder).parent}"
    except InputError as error:
        return Finding("ray's folder", Status.FAIL, str(error))
    if usual.exists() and not _is_ours(usual):
        advice = (
            f"{usual} belongs to {_owner(usual)}: our commands do without it, but `ray start` here needs "
            f"--temp-dir with a folder of yours, and commands that join it {RAY_FOLDER} with the same"
        )
        return Finding("ray's folder", Status.WARN, found, advice)
    return Finding("ray's folder", Status.OK, found)


def _is_ours(folder: Path) -> bool:
    """Whether this process may put files there."""
    return os.access(folder, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids)


def _owner(path: Path) -> str:
    try:
        return path.owner()
    except KeyError:  # as in a container, where users have no names
        return f"user {path.stat().st_uid}"


def check_ports(known: Iterable[int] = KNOWN_PORTS, number: int = PORTS) -> Finding:
    """Whether a Ray can open its ports, and which well-known ones others have taken.

    Args:
        known: ports that are asked for by number.
        number: of ports that must be free, whichever.
    """
    taken = [port for port in known if _is_taken(port)]
    told = ", ".join(f"{port} ({KNOWN_PORTS.get(port, 'asked for')})" for port in taken)
    others = f"; taken by others: {told}" if taken else ""
    try:
        with ExitStack() as open_ones:
            for _ in range(number):
                open_ones.enter_context(socket.socket()).bind(("", 0))
    except OSError as error:
        advice = (
            "end programs that hold ports or files (ss -tanp), or raise the limits (ulimit -n, sysctl "
            "net.ipv4.ip_local_port_range)"
        )
        return Finding("ports", Status.FAIL, f"{number} ports cannot be opened: {error.strerror}", advice)
    advice = "those programs need another --port here" if taken else ""
    return Finding("ports", Status.OK, f"{number} ports can be opened{others}", advice)


def _is_taken(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what is just being closed is free
        try:
            probe.bind(("", port))
        except OSError:
            return True
    return False
