"""All that reaches into private modules of MLflow and Ray, whose names may change with any release.

The tests of each half name the versions that it was tried with. Imports stand in the functions: what reads
the record needs no Ray.
"""

from typing import Any

# Ray


def resolve_cluster_address(address: str) -> str | None:
    """Return HOST:PORT of a cluster, or None where it is left to `ray.init` (Ray 2.60).

    Args:
        address: `auto`, or HOST:PORT.

    Raises:
        ValueError: it is no address.
    """
    from ray._private.services import canonicalize_bootstrap_address

    found: str | None = canonicalize_bootstrap_address(address)
    return found


def load_cluster_token(address: str) -> None:
    """Read the token for a cluster, as `ray.init` does, but never make one (Ray 2.60).

    Raises:
        ray.exceptions.AuthenticationError: a token is asked for by the environment and there is none.
    """
    from ray._private.authentication.authentication_token_setup import (
        ensure_token_if_auth_enabled,
        maybe_enable_token_auth_if_token_available,
    )

    if address == "auto":
        maybe_enable_token_auth_if_token_available(warn_if_disabled=False)
    ensure_token_if_auth_enabled(create_token_if_missing=False)


def read_cluster_metadata(address: str) -> dict[str, Any]:
    """Return what a cluster says of itself, such as `ray_version`, without joining it (Ray 2.60).

    Raises:
        ray.exceptions.AuthenticationError: it refuses our token.
        ray.exceptions.RpcError: it does not answer.
    """
    from ray._common.usage.usage_lib import get_cluster_metadata
    from ray._private.utils import GcsClient

    metadata: dict[str, Any] = get_cluster_metadata(GcsClient(address=address))
    return metadata


def check_cluster_versions(metadata: dict[str, Any], address: str) -> None:
    """Compare a cluster's Ray and Python with ours, as `ray.init` does (Ray 2.60).

    Raises:
        RuntimeError: they differ.
    """
    from ray._private.utils import check_version_info

    check_version_info(metadata, address)


def versions_here() -> tuple[str, str]:
    """Return the versions of Ray and Python that a cluster's are compared with (Ray 2.60)."""
    from ray._private.utils import compute_version_info

    ray_version, python_version = compute_version_info()
    return ray_version, python_version


def has_started_cluster() -> bool:
    """Whether this process has started the cluster that it is connected to (Ray 2.60)."""
    from ray._private import worker

    node = worker._global_node
    return node is not None and bool(node.head)
