"""The record of what was done and what it scored: MLflow, and nothing beside it.

An experiment a space, a parent run a plan, a nested run a trial. Only the driver writes.
"""

import json
import logging
import math
import os
import random
import shlex
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import LifecycleStage, Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, RESOURCE_DOES_NOT_EXIST, ErrorCode
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy.exc import SQLAlchemyError

from ablation.names import SCORES
from ablation.record.database import ARTIFACTS, create_database, database_address, database_file, follow_files
from ablation.record.driver import DRIVER, beat, is_live, this_driver
from ablation.record.run_table import read_experiment_tags, read_runs
from ablation.record.runs_view import experiment_tags
from ablation.store.storage import first_line
from t1t2core.errors import InputError

PAGE = 1000
"""Runs or experiments asked for at once."""
MOST_METRICS = 900
"""Values that are sent at once; MLflow takes 1000 values and tags together."""
KIND = "kind"
"""Tag that tells trials from plans."""
OPENED = "opened"
"""Tag of a plan: when a command last worked on it, seconds since 1970."""
OPENING_SECONDS = 60.0
"""A plan's run that has been made so long ago and not opened was left by a driver that died."""
PAUSE_SECONDS = 0.2
"""Longest pause before a plan's run is made again; drivers that have met differ in it."""
GPUS = "gpus"
"""Tag of a trial: the share of a GPU that it has."""
HARDWARE = "hardware"
"""Tag of a trial: the kind of machine that it ran on."""
STOP_REASON, PRUNED = "stop_reason", "pruned"
"""Tag of a trial, and its value where the trial was stopped early by rule."""
READERS = 8
"""Requests at once where much is read: a server far away answers each after a while."""
SHORT_PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
"""While a server is asked for the first time: one that is not there should be known at once."""
LONGEST_CAUSE = 500
"""Characters of an error that a tag keeps."""
ERROR_FILE = "error.txt"
"""Artifact of a failed trial: the whole traceback."""


@dataclass(frozen=True)
class Record:
    """A finished trial as the record has it; `scores` is the content of its `scores.json`."""

    run_id: str
    experiment_id: str
    name: str
    tags: dict[str, str]
    params: dict[str, str]
    metrics: dict[str, float]
    scores: list[dict[str, Any]]


class Measured(NamedTuple):
    """Values of an epoch, and when they were measured, seconds since 1970."""

    metrics: Mapping[str, float]
    step: int
    at: float


class Ledger:
    """Writes and reads the record.

    Args:
        tracking_uri: MLflow's address.
        artifacts: folder for files where the record is a database of this machine.

    Raises:
        InputError: the address does not answer or is no MLflow.
    """

    def __init__(self, tracking_uri: str, artifacts: Path) -> None:
        self.tracking_uri = tracking_uri
        self._artifacts = artifacts
        self._files: dict[str, ArtifactRepository] = {}
        self._finished_before: tuple[float, set[tuple[str, str]]] | None = None
        # What goes wrong is raised too: who calls decides whether and how it is told.
        logging.getLogger("mlflow").setLevel(logging.CRITICAL)
        logging.getLogger("alembic").setLevel(logging.ERROR)
        # An interrupt in the middle of a query would put a traceback beside our one line.
        logging.getLogger("sqlalchemy").setLevel(logging.CRITICAL)
        file = database_file(tracking_uri)
        try:
            if file is not None:
                create_database(file)
            with _short_patience():
                self.client = MlflowClient(tracking_uri)
                self.client.search_experiments(max_results=1)
            store = self.client._tracking_client.store
            if file is not None and isinstance(store, SqlAlchemyStore):
                follow_files(store, file.resolve().parent / ARTIFACTS, artifacts.resolve())
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

    def experiment(self, name: str) -> str:
        """Identifier of the experiment of this name, made if need be."""
        found = self.client.get_experiment_by_name(name)
        if found is not None:
            return found.experiment_id
        local = self.tracking_uri.startswith("sqlite:")
        location = (self._artifacts / name).resolve().as_uri() if local else None
        try:
            return self.client.create_experiment(name, artifact_location=location, tags=experiment_tags())
        except MlflowException as error:
            made_meanwhile = self.client.get_experiment_by_name(name)
            if made_meanwhile is None or error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):
                raise
            return made_meanwhile.experiment_id

    def check_experiment(self, name: str) -> None:
        """Nothing can be written to an experiment that was deleted in MLflow's pages, and its name is taken.

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

    def open_plan(self, experiment_id: str, plan_key: str, name: str, tags: Mapping[str, str]) -> str:
        """The parent run of a plan, running: the one it had, or a new one.

        Where several drivers make one at once, each that sees another's takes its own away and asks again. Of
        two the one that looks later sees both, so at most one stays; it becomes the plan's by its OPENED tag.
        """
        while (run_id := self._opened(experiment_id, plan_key)) is None:
            made_tags = {KIND: "plan", "plan_key": plan_key, **_origin(), **beat(), **tags}
            made = str(self.client.create_run(experiment_id, tags=made_tags, run_name=name).info.run_id)
            if self._prevails(made, self._parents(experiment_id, plan_key)):
                run_id = made
                break
            self.remove(made)
            time.sleep(random.uniform(0, PAUSE_SECONDS))
        self.client.update_run(run_id, status="RUNNING")
        self.client.log_batch(run_id, tags=_tags({**tags, OPENED: f"{time.time():.0f}"}))
        return run_id

    def _opened(self, experiment_id: str, plan_key: str) -> str | None:
        """The plan's parent run, if it has one."""
        runs = self._parents(experiment_id, plan_key)
        return next((str(run.info.run_id) for run in runs if OPENED in run.data.tags), None)

    def _prevails(self, made: str, parents: list[Run]) -> bool:
        """Whether nobody else has made a parent run; those of drivers that died on the way are removed."""
        others = [run for run in parents if run.info.run_id != made]
        if any(OPENED in run.data.tags or is_live(run.data.tags, OPENING_SECONDS) for run in others):
            return False
        for run in others:
            self.remove(run.info.run_id)
        return True

    def _parents(self, experiment_id: str, plan_key: str) -> list[Run]:
        """The plan's parent runs, the first that was made first."""
        query = f"tags.{KIND} = 'plan' and tags.plan_key = '{plan_key}'"
        order = ["attributes.start_time ASC"]
        return list(self.client.search_runs([experiment_id], query, max_results=PAGE, order_by=order))

    def plans(self, space: str) -> list[Run]:
        """Parent runs of a space's plans, the one that was worked on last first."""
        found = self.client.get_experiment_by_name(space)
        if found is None:
            return []
        runs = self.client.search_runs([found.experiment_id], f"tags.{KIND} = 'plan'", max_results=PAGE)
        return sorted(runs, key=lambda run: -float(run.data.tags.get(OPENED, 0)))

    def plan_names(self) -> list[str]:
        """Names of the spaces that have a plan in the record."""
        everywhere = [*self.experiment_tags()]
        runs = self.client.search_runs(everywhere, f"tags.{KIND} = 'plan'", max_results=PAGE)
        return sorted({str(run.info.run_name) for run in runs})

    def close_plan(self, run_id: str, status: str, note: str) -> None:
        """Ends the parent run; `note` (Markdown) is what MLflow shows as its description."""
        self.client.set_tag(run_id, "mlflow.note.content", note)
        self.client.set_terminated(run_id, status)

    def finished(self) -> dict[str, Run]:
        """All trials recorded as finished, in any experiment, by key; of two runs the newer."""
        asked_at = time.time()
        store = self.client._tracking_client.store
        if isinstance(store, SqlAlchemyStore):
            newest_first = read_runs(store, [*self.experiment_tags()], status="FINISHED", tag=(KIND, "trial"))
        else:
            newest_first = list(self._trials("attributes.status = 'FINISHED'"))
        self._finished_before = asked_at, _keys_and_ids(newest_first)
        return {run.data.tags["trial_key"]: run for run in reversed(newest_first)}

    def finished_runs(self, clocks_seconds: float) -> set[tuple[str, str]]:
        """Key and run id of all trials recorded as finished; after `finished`, only what is new is read.

        Args:
            clocks_seconds: by which the clocks of drivers may differ.
        """
        if self._finished_before is None:
            self.finished()
        assert self._finished_before is not None
        asked_at, before = self._finished_before
        since = int(1000 * (asked_at - clocks_seconds))
        new = self._trials(f"attributes.status = 'FINISHED' and attributes.end_time >= {since}")
        return before | _keys_and_ids(new)

    def experiment_tags(self) -> dict[str, dict[str, str]]:
        """Tags of all experiments, by experiment."""
        store = self.client._tracking_client.store
        if isinstance(store, SqlAlchemyStore):
            return read_experiment_tags(store)
        found: dict[str, dict[str, str]] = {}
        token = None
        while True:
            page = self.client.search_experiments(max_results=PAGE, page_token=token)
            found |= {experiment.experiment_id: experiment.tags for experiment in page}
            token = page.token
            if not token:
                return found

    def tag_experiment(self, experiment_id: str, name: str, value: str) -> None:
        """Sets a tag of an experiment."""
        self.client.set_experiment_tag(experiment_id, name, value)

    def untag_experiment(self, experiment_id: str, name: str) -> None:
        """Removes a tag of an experiment."""
        self.client.delete_experiment_tag(experiment_id, name)

    def clear_unfinished(self, keys: Iterable[str], lease_seconds: float) -> None:
        """Removes the runs of these trials that never finished and that no driver is at work on."""
        wanted = set(keys)
        for run in self._trials("attributes.status != 'FINISHED'"):
            running = run.info.status == "RUNNING" and is_live(run.data.tags, lease_seconds)
            if run.data.tags["trial_key"] in wanted and not running:
                self.client.delete_run(run.info.run_id)

    def others_at_work(self, lease_seconds: float) -> bool:
        """Whether there are runs under way of other drivers."""
        running = self._trials("attributes.status = 'RUNNING'")
        others = (run.data.tags for run in running if run.data.tags.get(DRIVER) != this_driver())
        return any(is_live(tags, lease_seconds) for tags in others)

    def runs_of(self, key: str) -> list[Run]:
        """The trial's runs, by run id."""
        runs = self._trials(f"tags.trial_key = '{key}'")
        return sorted(runs, key=lambda run: str(run.info.run_id))

    def beat(self, run_id: str) -> None:
        """Says that this driver is still at work on a run."""
        self.client.log_batch(run_id, tags=_tags(beat()))

    def start_trial(
        self,
        experiment_id: str,
        parent: str,
        name: str,
        *,
        params: Mapping[str, Any],
        tags: Mapping[str, str],
    ) -> str:
        """A nested run, RUNNING, with this driver's heartbeat."""
        all_tags = {KIND: "trial", "mlflow.parentRunId": parent, **_origin(), **beat(), **tags}
        run = self.client.create_run(experiment_id, tags=all_tags, run_name=name)
        run_id = str(run.info.run_id)
        self._files[run_id] = self._files_at(run.info.artifact_uri)
        self.client.log_batch(run_id, params=[Param(key, str(value)) for key, value in params.items()])
        return run_id

    def log(self, run_id: str, measured: Iterable[Measured]) -> None:
        """Values of epochs; what is not finite is left out, since MLflow would store it as 1.8e308.

        Logged twice, with the same time, they count once.
        """
        self._send(run_id, measured)

    def finish_trial(
        self,
        run_id: str,
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
        files: Path,
        *,
        at: float,
        history: Sequence[Measured] = (),
    ) -> None:
        """Files first, then the numbers (see `log`), the status last: a FINISHED run is whole.

        Args:
            history: values of epochs that are not logged yet.
        """
        self._files_of(run_id).log_artifacts(str(files))
        # Values without an epoch have step 0: MLflow draws them as bars, a run each, else as dots on a line.
        self._send(run_id, [*history, Measured(metrics, 0, at)], tags)
        self.client.set_terminated(run_id, "FINISHED")
        self._files.pop(run_id, None)

    def _send(self, run_id: str, measured: Iterable[Measured], tags: Mapping[str, str] | None = None) -> None:
        """In as few requests as MLflow allows."""
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

    def _files_of(self, run_id: str) -> ArtifactRepository:
        """Where a run's files lie; MLflow itself may remember where they lay before they were moved."""
        if run_id not in self._files:
            self._files[run_id] = self._files_at(self.client.get_run(run_id).info.artifact_uri)
        return self._files[run_id]

    def _files_at(self, uri: str) -> ArtifactRepository:
        return get_artifact_repository(uri, tracking_uri=self.tracking_uri)

    def fail_trial(self, run_id: str, cause: str, traceback: str) -> None:
        """Ends a run as FAILED with the last line of its error as a tag and all of it as an artifact."""
        self.keep_files(run_id, {ERROR_FILE: traceback.encode("utf-8")})
        self.client.set_tag(run_id, "error", cause[:LONGEST_CAUSE])
        self.client.set_terminated(run_id, "FAILED")

    def prune_trial(self, run_id: str, metrics: Mapping[str, float], *, step: int, at: float) -> None:
        """Ends a run that was stopped early by rule: it never counts as finished."""
        self._send(run_id, [Measured(metrics, step, at)], {STOP_REASON: PRUNED})
        self.client.set_terminated(run_id, "KILLED")

    def pruned_under(self, parent: str) -> list[Run]:
        """The trials of a plan that were stopped early by rule."""
        mine = f"tags.mlflow.parentRunId = '{parent}' and tags.{STOP_REASON} = '{PRUNED}'"
        return list(self._trials(f"attributes.status = 'KILLED' and {mine}"))

    def stop_trials(self) -> None:
        """Ends this driver's runs that are still under way; they are replaced when it is asked again."""
        for run in self._trials("attributes.status = 'RUNNING'"):
            if run.data.tags.get(DRIVER) == this_driver():
                self.client.set_terminated(run.info.run_id, "KILLED")

    def has_run(self, run_id: str) -> bool:
        """Whether the run is in the record and nobody has removed it."""
        try:
            return str(self.client.get_run(run_id).info.lifecycle_stage) == "active"
        except MlflowException as error:
            if error.error_code == ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
                return False
            raise

    def remove(self, run_id: str) -> None:
        """Takes a run out of the record."""
        self._files.pop(run_id, None)
        self.client.delete_run(run_id)

    def failed_under(self, parent: str) -> list[Run]:
        """The trials of a plan that failed and were not run again since."""
        runs = self._trials(f"attributes.status = 'FAILED' and tags.mlflow.parentRunId = '{parent}'")
        return list(runs)

    def read_file(self, run_id: str, name: str) -> bytes | None:
        """A file of a run, or None if it has none of this name."""
        files = self._files_of(run_id)
        if name not in {file.path for file in files.list_artifacts()}:
            return None
        return Path(files.download_artifacts(name)).read_bytes()

    def fetch_file(self, run: Run, name: str) -> Path:
        """A file of a run, on this machine; MlflowException or OSError if it has none of this name."""
        return Path(self._files_at(run.info.artifact_uri).download_artifacts(name))

    def keep_files(self, run_id: str, files: Mapping[str, bytes]) -> None:
        """Puts files into a run, over those of the same names."""
        with tempfile.TemporaryDirectory() as folder:
            for name, content in files.items():
                (Path(folder) / name).write_bytes(content)
            self._files_of(run_id).log_artifacts(folder)

    def histories(self, runs: Mapping[str, str], names: Sequence[str]) -> pd.DataFrame:
        """Values of these metrics an epoch, columns `trial_key`, `metric`, `step` and `value`.

        Args:
            runs: run ids by trial key.
        """
        wanted = [(key, run_id, name) for key, run_id in runs.items() for name in names]
        with ThreadPoolExecutor(READERS) as pool:
            found = pool.map(lambda one: self.client.get_metric_history(one[1], one[2]), wanted)
            rows = [
                (key, name, metric.step, metric.value)
                for (key, _, name), history in zip(wanted, found, strict=True)
                for metric in history
            ]
        return pd.DataFrame(rows, columns=["trial_key", "metric", "step", "value"])

    def records(self, runs: Iterable[Run]) -> list[Record]:
        """The records of these finished runs."""
        with ThreadPoolExecutor(READERS) as pool:
            return list(pool.map(self._record, runs))

    def _record(self, run: Run) -> Record:
        try:
            scores = self.fetch_file(run, SCORES).read_text(encoding="utf-8")
        except (MlflowException, OSError) as error:
            raise InputError(
                f"the files of run {run.info.run_id} ({run.info.run_name}) are not at "
                f"{run.info.artifact_uri}; was the record moved without its folder {ARTIFACTS}?"
            ) from error
        return Record(
            run_id=run.info.run_id,
            experiment_id=run.info.experiment_id,
            name=run.info.run_name,
            tags=dict(run.data.tags),
            params=dict(run.data.params),
            metrics=dict(run.data.metrics),
            scores=json.loads(scores),
        )

    def _trials(self, condition: str) -> Iterator[Run]:
        everywhere = [*self.experiment_tags()]
        query, token = f"tags.{KIND} = 'trial' and {condition}", None
        while True:
            page = self.client.search_runs(everywhere, query, max_results=PAGE, page_token=token)
            yield from page
            token = page.token
            if not token:
                return


def record_address(output: Path, tracking_uri: str | None) -> str:
    """MLflow's address: as asked, else the environment's, else the database in the output folder.

    Raises:
        InputError: no database can lie there.
    """
    asked = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI")
    address = asked or database_address(output / "mlflow.db")
    database_file(address)
    return address


def open_record(output: Path, tracking_uri: str | None) -> Ledger:
    """The record that is there already.

    Raises:
        InputError: there is none.
    """
    uri = record_address(output, tracking_uri)
    file = database_file(uri)
    if file is not None and not file.exists():
        raise InputError(f"there is no record at {file}; say where with --output or --tracking-uri")
    return Ledger(uri, output / ARTIFACTS)


@contextmanager
def _short_patience() -> Iterator[None]:
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


def _keys_and_ids(runs: Iterable[Run]) -> set[tuple[str, str]]:
    return {(run.data.tags["trial_key"], run.info.run_id) for run in runs}


def _origin() -> dict[str, str]:
    return {"mlflow.source.name": "ablation", "mlflow.source.type": "LOCAL"}
