"""What reaches into Ray's private modules works with the Ray that is pinned."""

from importlib.metadata import version

import pytest
import ray
from ray.cluster_utils import Cluster

from ablation import compat


def test_this_release_of_ray_was_tried() -> None:
    """With another one, run this file, `test_cluster.py` and `test_machines.py`, then add it there."""
    assert version("ray").rpartition(".")[0] in compat.RAY_VERSIONS


def test_a_cluster_tells_its_versions_before_it_is_joined() -> None:
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        address = compat.resolve_cluster_address(cluster.address)
        assert address == cluster.address
        compat.load_cluster_token(address)
        metadata = compat.read_cluster_metadata(address)
        assert (metadata["ray_version"], metadata["python_version"]) == compat.versions_here()
        compat.check_cluster_versions(metadata, address)
        with pytest.raises(RuntimeError):
            compat.check_cluster_versions({**metadata, "ray_version": "2.0.0"}, address)
        ray.init(address=address, log_to_driver=False)
        assert not compat.has_started_cluster(), "it was joined"
    finally:
        ray.shutdown()
        cluster.shutdown()


def test_what_is_no_address_is_told() -> None:
    with pytest.raises(ValueError, match="no address"):
        compat.resolve_cluster_address("no address")


def test_a_ray_of_our_own_was_started_here() -> None:
    assert not compat.has_started_cluster()
    ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False)
    try:
        assert compat.has_started_cluster()
    finally:
        ray.shutdown()


def test_the_cores_that_a_ray_of_our_own_counts_are_told_without_it() -> None:
    counted = compat.cores_by_ray()
    ray.init(address="local", include_dashboard=False, log_to_driver=False)
    try:
        assert ray.cluster_resources()["CPU"] == counted
    finally:
        ray.shutdown()
