"""How fast a record answers, asked without leaving anything in it."""

import logging
import sqlite3
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode

from ablation.record.database import database_file
from ablation.record.runs import short_patience
from t1t2core.errors import InputError

READS = 3
WAIT_SECONDS = 2.0
"""Longest that a lock of a database is waited for: none is held for more than a moment."""
TAG = "ablation.doctor"
"""Tag of an experiment that is written and removed at once."""


class Latency(NamedTuple):
    """Seconds that a read and a write take; `write` is None where nothing can be written without a trace."""

    read: float
    write: float | None


def measure_record(tracking_uri: str) -> Latency:
    """Return how long reading experiments takes, and writing and removing a tag of one.

    Raises:
        InputError: it is a file, and no record or held by another.
        MlflowException: it does not answer as MLflow.
    """
    file = database_file(tracking_uri)
    if file is not None:
        _check_database(file)
    logging.getLogger("mlflow").setLevel(logging.CRITICAL)  # what goes wrong is raised too
    with short_patience():
        client = MlflowClient(tracking_uri)
        client.search_experiments(max_results=1)  # the first one connects
        reads = [_timed(lambda: client.search_experiments(max_results=1)) for _ in range(READS)]
        experiments = client.search_experiments(max_results=1)
        write = _write(client, experiments[0].experiment_id) if experiments else None
    return Latency(statistics.median(reads), write)


def _check_database(file: Path) -> None:
    """Refuse a file that is no record, or that somebody holds: MLflow itself would write tables, and wait."""
    address = f"file:{quote(str(file))}?mode=rw"
    try:
        database = sqlite3.connect(address, uri=True, timeout=WAIT_SECONDS, isolation_level=None)
        try:
            database.execute("BEGIN IMMEDIATE")
            tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
            database.execute("ROLLBACK")
        finally:
            database.close()
    except sqlite3.Error as error:
        raise InputError(f"{file}: {error}") from error
    if "alembic_version" not in tables:
        raise InputError(f"{file} is no record of MLflow: it has none of its tables")


def _write(client: MlflowClient, experiment: str) -> float | None:
    """Return the seconds of one write; a server that cannot remove a tag gets none."""
    try:
        client.delete_experiment_tag(experiment, TAG)
    except MlflowException as error:
        if error.error_code != ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
            return None
    seconds = _timed(lambda: client.set_experiment_tag(experiment, TAG, ""))
    client.delete_experiment_tag(experiment, TAG)
    return seconds


def _timed(work: Callable[[], object]) -> float:
    before = time.perf_counter()
    work()
    return time.perf_counter() - before
