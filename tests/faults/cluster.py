"""Ray clusters on this machine, and one that many commands join: its start takes longer than a tiny sweep."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ray.cluster_utils import Cluster

from tests.faults.commands import INJECT

ROOT = Path(__file__).parents[2]
CORES = 2
LEAN = {"include_dashboard": False, "include_log_monitor": False, "no_monitor": True}
"""Without processes that nobody here asks for anything: each takes seconds to import Ray."""


class OpenCluster(Cluster):  # type: ignore[misc]
    """A cluster that wants no token, whatever Ray has set in a process that has had a Ray of its own."""

    def add_node(self, *args: Any, **more: Any) -> Any:
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("RAY_AUTH_MODE", "disabled")
            return super().add_node(*args, **more)


def start_cluster(**head: Any) -> Cluster:
    """Start a cluster whose head has these resources; machines can be added to it."""
    return OpenCluster(initialize_head=True, head_node_args={**LEAN, **head})


def obedient(faults: Path) -> dict[str, str]:
    """Variables by which workers follow the orders in a folder (see inject/sitecustomize.py)."""
    return {"FAULTS": str(faults), "PYTHONPATH": os.pathsep.join([str(INJECT), str(ROOT)])}


class SharedCluster:
    """A cluster that is there for many tests.

    Args:
        address: for commands to join.
        link: to the folder with the orders; workers have the environment of the cluster, not of a command.
    """

    def __init__(self, address: str, link: Path) -> None:
        self.address = address
        self._link = link

    def follow(self, faults: Path) -> None:
        """Have workers follow the orders in this folder from now on."""
        self._link.unlink(missing_ok=True)
        self._link.symlink_to(faults)


@contextmanager
def shared_cluster(folder: Path) -> Iterator[SharedCluster]:
    """Start a cluster of one machine, and end it afterwards.

    It counts one GPU, though there is none: an old one, for which trials stay with float32.
    """
    link = folder / "faults"
    with pytest.MonkeyPatch.context() as environment:
        for name, value in obedient(link).items():
            environment.setenv(name, value)
        cluster = start_cluster(num_cpus=CORES, num_gpus=1, resources={"accelerator_type:T4": 1})
    try:
        yield SharedCluster(cluster.address, link)
    finally:
        cluster.shutdown()
