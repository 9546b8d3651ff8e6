"""Borders to libraries: what they read from the environment, and what they keep to themselves.

The latter may change with any release, so all of it stands here.

Each function imports its library when it is called: a worker that needs Ray's part loads no MLflow.
"""

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.store.artifact.artifact_repo import ArtifactRepository
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
    from sqlalchemy.orm import Session

# The environment: set before the libraries are imported

VARIABLES = {
    # Nothing leaves the machine, no address is printed, nothing is drawn over the terminal.
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    # A dead MLflow server is known in seconds.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    # Ctrl-C is handled where trials are recorded; Tune reports to the driver and keeps no state on disk.
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1e9",
    # Threads of torch do not spin while they wait.
    "OMP_WAIT_POLICY": "PASSIVE",
    # A worker has arms of many sizes one after the other: memory that one leaves in pieces fits the next.
    "PYTORCH_ALLOC_CONF": "expandable_segments:True",
}
IN_WORKERS = ("OMP_WAIT_POLICY", "PYTORCH_ALLOC_CONF")
"""Of these, what also counts in a process that only computes."""


def version_here() -> str:
    """Return the version of the package; `unknown` of a copy of the code that was not installed."""
    try:
        return version("t1t2-ablation")
    except PackageNotFoundError:
        return "unknown"


def set_up() -> None:
    """Set what is not set: the commands do so first, and so does the first use of the Python API."""
    for name, value in VARIABLES.items():
        os.environ.setdefault(name, value)


def cores(variables: Mapping[str, str] = os.environ) -> int:
    """Return how many cores this process may use: of the machine's, those that a scheduler gave it."""
    of_system = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    of_task = variables.get("SLURM_CPUS_PER_TASK") or variables.get("SLURM_CPUS_ON_NODE", "")
    return min(of_system, int(of_task)) if of_task.isdigit() else of_system


def of_workers() -> dict[str, str]:
    """Return the environment that workers of a cluster need that was not started from here."""
    return {name: os.environ.get(name, VARIABLES[name]) for name in IN_WORKERS}


# MLflow

MLFLOW_VERSIONS = ("3.17",)
"""Releases of MLflow, MAJOR.MINOR, that the functions here were tried with."""


def database_of(client: "MlflowClient") -> "SqlAlchemyStore | None":
    """MLflow's own access to its database; None where the record is behind a server.

    Private: `MlflowClient._tracking_client.store` and `mlflow.store.tracking.sqlalchemy_store`.
    """
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    store = client._tracking_client.store
    return store if isinstance(store, SqlAlchemyStore) else None


def database_session(store: "SqlAlchemyStore") -> "AbstractContextManager[Session]":
    """A session with MLflow's database, committed at its end.

    Private: `SqlAlchemyStore.ManagedSessionMaker`.
    """
    session: AbstractContextManager[Session] = store.ManagedSessionMaker()
    return session


def database_tables() -> ModuleType:
    """MLflow's tables as classes of SQLAlchemy: `SqlExperiment`, `SqlRun`, `SqlTag` and so on.

    Private: `mlflow.store.tracking.dbmodels.models`, with the columns that `ablation.record.run_table` and
    `ablation.record.database` name.
    """
    from mlflow.store.tracking.dbmodels import models

    return models


def artifacts_at(uri: str, tracking_uri: str) -> "ArtifactRepository":
    """Access to a run's files, wherever they lie now; MLflow's client remembers where they lay before.

    Private: `mlflow.store.artifact.artifact_repository_registry`.
    """
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    return get_artifact_repository(uri, tracking_uri=tracking_uri)


def path_of_uri(uri: str) -> Path:
    """The path of a `file:` address, as MLflow reads it.

    Private: `mlflow.utils.file_utils.local_file_uri_to_path`.
    """
    from mlflow.utils.file_utils import local_file_uri_to_path

    return Path(local_file_uri_to_path(uri))


def first_view_tags(view: str, state: str) -> dict[str, str]:
    """Tags of an experiment that decide what MLflow's pages show of it first.

    Private: the tags `mlflow.experimentKind` (else the pages show traces) and `mlflow.sharedViewState.VIEW`,
    whose JSON the pages alone define.
    """
    return {
        "mlflow.experimentKind": "custom_model_development",
        f"mlflow.sharedViewState.{view}": state,
    }


# Ray

RAY_VERSIONS = ("2.60",)
"""Releases of Ray, MAJOR.MINOR, that the functions here were tried with."""


def resolve_cluster_address(address: str) -> str | None:
    """Return HOST:PORT of a cluster, or None where it is left to `ray.init`.

    Private: `ray._private.services.canonicalize_bootstrap_address` (Ray 2.60).

    Args:
        address: `auto`, or HOST:PORT.

    Raises:
        ValueError: it is no address.
    """
    from ray._private.services import canonicalize_bootstrap_address

    found: str | None = canonicalize_bootstrap_address(address)
    return found


def load_cluster_token(address: str) -> None:
    """Read the token for a cluster, as `ray.init` does, but never make one.

    Private: `ray._private.authentication.authentication_token_setup` (Ray 2.60).

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
    """Return what a cluster says of itself, such as `ray_version`, without joining it.

    Private: `ray._common.usage.usage_lib.get_cluster_metadata`, `ray._private.utils.GcsClient` (Ray 2.60).

    Raises:
        ray.exceptions.AuthenticationError: it refuses our token.
        ray.exceptions.RpcError: it does not answer.
    """
    from ray._common.usage.usage_lib import get_cluster_metadata
    from ray._private.utils import GcsClient

    metadata: dict[str, Any] = get_cluster_metadata(GcsClient(address=address))
    return metadata


def check_cluster_versions(metadata: dict[str, Any], address: str) -> None:
    """Compare a cluster's Ray and Python with ours, as `ray.init` does.

    Private: `ray._private.utils.check_version_info` (Ray 2.60).

    Raises:
        RuntimeError: they differ.
    """
    from ray._private.utils import check_version_info

    check_version_info(metadata, address)


def versions_here() -> tuple[str, str]:
    """Return the versions of Ray and Python that a cluster's are compared with.

    Private: `ray._private.utils.compute_version_info` (Ray 2.60).
    """
    from ray._private.utils import compute_version_info

    ray_version, python_version = compute_version_info()
    return ray_version, python_version


def has_started_cluster() -> bool:
    """Whether this process has started the cluster that it is connected to.

    Private: `ray._private.worker._global_node` (Ray 2.60).
    """
    from ray._private import worker

    node = worker._global_node
    return node is not None and bool(node.head)


def cores_by_ray() -> int:
    """Return the cores that a Ray that is started here counts: a container's quota, else all of the machine.

    Private: `ray._private.utils.get_num_cpus` (Ray 2.60).
    """
    from ray._private.utils import get_num_cpus

    return int(get_num_cpus(override_docker_cpu_warning=True))
