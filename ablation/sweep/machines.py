"""The machines that a Ray cluster has, and those that its autoscaler may add."""

from pathlib import Path
from typing import Any

import ray
import yaml

from ablation.compat import has_started_cluster

LAUNCHED = Path("~/ray_bootstrap_config.yaml")
"""Where `ray up` leaves, on the head, what it launched: Ray itself keeps no record of what may be added."""
HEAD = "node:__internal_head__"
"""Resource by which Ray marks the head."""

Machine = dict[str, float]
"""Resources by Ray's names, such as CPU and GPU."""


def machines() -> list[tuple[Machine, int]]:
    """Return the kinds of machines of the cluster that was joined, and the most that there can be of each.

    Which machines may be added is only known on the head.
    """
    there = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    on_head = any(
        HEAD in machine and f"node:{ray.util.get_node_ip_address()}" in machine for machine in there
    )
    if has_started_cluster() or not on_head:
        return [(machine, 1) for machine in there]
    kinds = _launchable(LAUNCHED.expanduser())
    kept = [machine for machine in there if HEAD in machine or not kinds]
    return [(machine, 1) for machine in kept] + kinds


def _launchable(file: Path) -> list[tuple[Machine, int]]:
    """Return the kinds of workers in a cluster's file, of those whose resources are known beforehand."""
    try:
        config: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError:
        return []
    most = config.get("max_workers", 0)
    kinds = {
        name: kind
        for name, kind in config["available_node_types"].items()
        if name != config["head_node_type"]
    }
    return [
        (kind["resources"], min(most, kind.get("max_workers", most)))
        for kind in kinds.values()
        if kind.get("resources")
    ]
