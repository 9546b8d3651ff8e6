"""Doors to what libraries keep to themselves: it may change with any release, so all of it stands here.

Each function imports its library when it is called: a worker that needs Ray's part loads no MLflow.
"""

from contextlib import AbstractContextManager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.store.artifact.artifact_repo import ArtifactRepository
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
    from sqlalchemy.orm import Session

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
