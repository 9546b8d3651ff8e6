"""MLflow's runs, wherever they are kept: the connection, experiments, and what any run can hold."""

import math
import os
import shlex
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from mlflow import MlflowClient
from mlflow.entities import LifecycleStage, Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import (
    INVALID_PARAMETER_VALUE,
    INVALID_STATE,
    RESOURCE_ALREADY_EXISTS,
    RESOURCE_DOES_NOT_EXIST,
    ErrorCode,
)
from sqlalchemy.exc import SQLAlchemyError

from ablation.compat import artifacts_at, database_of
from ablation.record.database import (
    ARTIFACTS,
    create_database,
    database_file,
    follow_files,
    silence_libraries,
)
from ablation.record.driver import heartbeat, this_driver
from ablation.record.run_table import read_experiment_tags
from ablation.record.runs_view import experiment_tags
from ablation.store.storage import first_line
from t1t2core.errors import InputError

if TYPE_CHECKING:
    from mlflow.store.artifact.artifact_repo import ArtifactRepository

PAGE = 1000
"""Runs or experiments asked for at once."""
MOST_METRICS = 900
"""Values that are sent at once; MLflow takes 1000 values and tags together."""
SHORT_PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
"""While a server is asked for the first time: one that is not there should be known at once."""
REFUSALS = [
    ErrorCode.Name(code) for code in (INVALID_PARAMETER_VALUE, INVALID_STATE, RESOURCE_DOES_NOT_EXIST)
]
"""Answers of a record to what is written to a run that was removed."""


class Measured(NamedTuple):
    """Values of an epoch, and when they were measured, seconds since 1970."""

    metrics: Mapping[str, float]
    step: int
    at: float


class Runs:
    """Writes and reads runs of any kind.

    Args:
        tracking_uri: MLflow's address.
        artifacts: folder for files where the record is a database, without a server that keeps them.
        driver: name under which runs are written, see `ablation.record.driver`; that of this process.
        shares_files: whoever writes to the record sees that folder, though it is reached through a server.

    Raises:
        InputError: the address does not answer or is no MLflow.
    """

    def __init__(
        self, tracking_uri: str, artifacts: Path, driver: str | None = None, *, shares_files: bool = False
    ) -> None:
        self.tracking_uri = tracking_uri
        self.driver = driver or this_driver()
        self._artifacts = artifacts
        self._files: dict[str, ArtifactRepository] = {}
        silence_libraries()
        file = database_file(tracking_uri)
        try:
            if file is not None:
                create_database(file)
            with short_patience():
                self.client = MlflowClient(tracking_uri)
                self.client.search_experiments(max_results=1)
            database = database_of(self.client)
            self._has_files_here = shares_files or database is not None
            if file is not None and database is not None:
                follow_files(database, file.resolve().parent / ARTIFACTS, artifacts.resolve())
        except (MlflowException, SQLAlchemyError, OSError, ImportError) as error:
            cause = first_line(error)
            raise InputError(f"tracking address {tracking_uri} does not answer as MLflow: {cause}") from error

    def answers(self) -> bool:
        """Whether the record can be asked just now."""
        try:
            self.client.search_experiments(max_results=1)
        except (MlflowException, OSError):
            return False
        return True

    # Experiments

    def experiment(self, name: str) -> str:
        """Identifier of the experiment of this name, made if need be."""
        found = self.find_experiment(name)
        if found is not None:
            return found
        location = (self._artifacts / name).resolve().as_uri() if self._has_files_here else None
        try:
            made = self.client.create_experiment(name, artifact_location=location, tags=experiment_tags())
            return str(made)
        except MlflowException as error:
            made_meanwhile = self.find_experiment(name)
            if made_meanwhile is None or error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):
                raise
            return made_meanwhile

    def find_experiment(self, name: str) -> str | None:
        """Identifier of the experiment of this name, if there is one."""
        found = self.client.get_experiment_by_name(name)
        return None if found is None else str(found.experiment_id)

    def check_experiment(self, name: str) -> None:
        """Refuse an experiment that was deleted in MLflow's pages: its name is taken, nothing can be written.

        Raises:
            InputError: it was deleted.
        """
        found = self.client.get_experiment_by_name(name)
        if found is not None and found.lifecycle_stage == LifecycleStage.DELETED:
            number, address = found.experiment_id, shlex.quote(self.tracking_uri)
            raise InputError(
                f"experiment {name} was deleted in MLflow; bring it back by `MLFLOW_TRACKING_URI={address} "
                f"mlflow experiments restore --experiment-id {number}`, or remove it for good by `mlflow gc "
                f"--backend-store-uri {address} --experiment-ids {number}` (see `mlflow gc --help`), or use "
                "another record or another `name:` of the search space"
            )

    def experiment_name(self, experiment_id: str) -> str:
        """Name of an experiment."""
        return str(self.client.get_experiment(experiment_id).name)

    def experiment_tags(self) -> dict[str, dict[str, str]]:
        """Tags of all experiments, by experiment."""
        database = database_of(self.client)
        if database is not None:
            return read_experiment_tags(database)
        found: dict[str, dict[str, str]] = {}
        token = None
        while True:
            page = self.client.search_experiments(max_results=PAGE, page_token=token)
            found |= {experiment.experiment_id: experiment.tags for experiment in page}
            token = page.token
            if not token:
                return found

    def tag_experiment(self, experiment_id: str, name: str, value: str) -> None:
        """Set a tag of an experiment."""
        self.client.set_experiment_tag(experiment_id, name, value)

    def untag_experiment(self, experiment_id: str, name: str) -> None:
        """Remove a tag of an experiment."""
        self.client.delete_experiment_tag(experiment_id, name)

    # Runs

    def run(self, run_id: str) -> Run:
        """The run of this identifier; MlflowException if there is none."""
        return self.client.get_run(run_id)

    def has_run(self, run_id: str) -> bool:
        """Whether the run is in the record and nobody has removed it."""
        try:
            return str(self.run(run_id).info.lifecycle_stage) == LifecycleStage.ACTIVE
        except MlflowException as error:
            if error.error_code == ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
                return False
            raise

    def search(self, query: str, experiments: list[str] | None = None) -> Iterator[Run]:
        """The runs that fit, newest first.

        Args:
            experiments: all of them, unless given.
        """
        everywhere, token = [*self.experiment_tags()] if experiments is None else experiments, None
        while True:
            page = self.client.search_runs(everywhere, query, max_results=PAGE, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def start_run(
        self, experiment_id: str, name: str, tags: Mapping[str, str], params: Mapping[str, Any] | None = None
    ) -> str:
        """A new run, RUNNING, with this driver's heartbeat."""
        origin = {"mlflow.source.name": "ablation", "mlflow.source.type": "LOCAL"}
        all_tags = {**origin, **heartbeat(self.driver), **tags}
        run = self.client.create_run(experiment_id, tags=all_tags, run_name=name)
        run_id = str(run.info.run_id)
        self._files[run_id] = artifacts_at(run.info.artifact_uri, self.tracking_uri)
        if params:
            listed = [Param(key, str(value)) for key, value in params.items()]
            self.client.log_batch(run_id, params=listed)
        return run_id

    def beat(self, run_id: str) -> None:
        """Say that this driver is still at work on a run."""
        self.tag(run_id, heartbeat(self.driver))

    def tag(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Set tags of a run."""
        self.client.log_batch(run_id, tags=_tags(tags))

    def log(self, run_id: str, measured: Iterable[Measured], tags: Mapping[str, str] | None = None) -> None:
        """Log values, in as few requests as MLflow allows, and tags with the last of them.

        What is not finite is left out, since MLflow would store it as 1.8e308. Logged twice, with the same
        time, values count once.
        """
        finite = [
            Metric(name, value, int(one.at * 1000), one.step)
            for one in measured
            for name, value in one.metrics.items()
            if math.isfinite(value)
        ]
        while len(finite) > MOST_METRICS:
            self.client.log_batch(run_id, metrics=finite[:MOST_METRICS])
            finite = finite[MOST_METRICS:]
        self.client.log_batch(run_id, metrics=finite, tags=_tags(tags or {}))

    def reopen(self, run_id: str) -> None:
        """Make a run that has ended RUNNING again."""
        self.client.update_run(run_id, status="RUNNING")

    def end(self, run_id: str, status: str) -> None:
        """End a run as FINISHED, FAILED or KILLED."""
        self.client.set_terminated(run_id, status)
        self._files.pop(run_id, None)

    def remove(self, run_id: str) -> None:
        """Take a run out of the record, unless somebody else has done so."""
        self._files.pop(run_id, None)
        try:
            self.client.delete_run(run_id)
        except MlflowException as error:
            if error.error_code not in REFUSALS or self.has_run(run_id):
                raise

    # Files of runs

    def read_file(self, run_id: str, name: str) -> bytes | None:
        """A file of a run, or None if it has none of this name."""
        files = self._files_of(run_id)
        if name not in {file.path for file in files.list_artifacts()}:
            return None
        return Path(files.download_artifacts(name)).read_bytes()

    def fetch_file(self, run: Run, name: str) -> Path:
        """A file of a run, on this machine; MlflowException or OSError if it has none of this name."""
        files = artifacts_at(run.info.artifact_uri, self.tracking_uri)
        return Path(files.download_artifacts(name))

    def keep_files(self, run_id: str, files: Mapping[str, bytes]) -> None:
        """Put files into a run, over those of the same names."""
        with tempfile.TemporaryDirectory() as folder:
            for name, content in files.items():
                (Path(folder) / name).write_bytes(content)
            self.keep_folder(run_id, Path(folder))

    def keep_folder(self, run_id: str, folder: Path) -> None:
        """Put the files of a folder into a run, over those of the same names."""
        self._files_of(run_id).log_artifacts(str(folder))

    def _files_of(self, run_id: str) -> "ArtifactRepository":
        if run_id not in self._files:
            self._files[run_id] = artifacts_at(self.run(run_id).info.artifact_uri, self.tracking_uri)
        return self._files[run_id]


@contextmanager
def short_patience() -> Iterator[None]:
    """MLflow gives up on a server soon, once; later it is patient again."""
    before = {name: os.environ.get(name) for name in SHORT_PATIENCE}
    os.environ.update(SHORT_PATIENCE)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _tags(tags: Mapping[str, str]) -> list[RunTag]:
    return [RunTag(key, value) for key, value in tags.items()]
