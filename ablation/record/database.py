"""The SQLite database of a record: its address, its making, and where it says that the files of runs lie."""

import logging
import os
import re
import uuid
from collections import defaultdict
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from sqlalchemy import func, select, update

from ablation.compat import database_session, database_tables, path_of_uri
from t1t2core.errors import InputError

SqlExperiment, SqlRun = database_tables().SqlExperiment, database_tables().SqlRun
SCHEME = "sqlite:///"
ARTIFACTS = "artifacts"
"""Folder beside the database for the files of runs, in it a folder for each experiment."""
MISREAD = re.compile(r"\?|%[0-9A-Fa-f]{2}|[\x00-\x1f\x7f\ud800-\udfff]")
"""What makes a path of a database another one: SQLAlchemy decodes the first two, and MLflow does not."""


def database_address(file: Path) -> str:
    """The address by which MLflow knows a database file."""
    return f"{SCHEME}{file.resolve()}"


def database_file(address: str) -> Path | None:
    """The file of a SQLite database; None where the address is that of something else.

    Raises:
        InputError: MLflow would take the path for another one.
    """
    if not address.startswith(SCHEME):
        return None
    path = address.removeprefix(SCHEME)
    if found := MISREAD.search(path):
        raise InputError(
            f"the record cannot lie at {path!r}: MLflow misreads {found[0]!r} in the path of a database; "
            "use a folder whose path is without it, see --output and --tracking-uri"
        )
    return Path(path)


def silence_libraries() -> None:
    """Let MLflow and its database say nothing: what goes wrong is raised too, and told by who calls."""
    logging.getLogger("mlflow").setLevel(logging.CRITICAL)
    logging.getLogger("alembic").setLevel(logging.ERROR)
    # An interrupt in the middle of a query would put a traceback beside our one line.
    logging.getLogger("sqlalchemy").setLevel(logging.CRITICAL)


def create_database(file: Path) -> None:
    """Makes a new database under another name and gives it its own once it is whole.

    MLflow takes seconds to make its tables, and a database whose making was broken off is of no use.
    """
    if file.exists():
        return
    silence_libraries()
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_name(f".{file.name}.{uuid.uuid4().hex[:8]}")
    try:
        MlflowClient(f"{SCHEME}{unfinished}").search_experiments(max_results=1)
        try:
            # Unlike a rename, it leaves alone what another driver has made meanwhile.
            os.link(unfinished, file)
        except FileExistsError:
            pass
        except OSError:  # a file system without hard links
            unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)


def follow_files(store: Any, beside: Path, artifacts: Path) -> None:
    """Corrects where the record says that the files of its runs lie, if it was moved or copied with them.

    Args:
        beside: folder for the files of runs that lies beside the database.
        artifacts: the one that new experiments get.
    """
    with database_session(store) as session:
        columns = SqlExperiment.experiment_id, SqlExperiment.name, SqlExperiment.artifact_location
        experiments: dict[Path, dict[int, str]] = defaultdict(dict)
        for number, name, location in session.execute(select(*columns)):
            if (folder := _folder(location)) and folder == folder.parent / name:
                experiments[folder.parent][number] = name
        for old, names in experiments.items():
            new = _folder_now(old, set(names.values()), beside, artifacts)
            for number, name in names.items() if new != old else ():
                before, now = (old / name).as_uri(), (new / name).as_uri()
                moved = update(SqlExperiment).where(SqlExperiment.experiment_id == number)
                session.execute(moved.values(artifact_location=now))
                runs = update(SqlRun).where(
                    SqlRun.experiment_id == number,
                    SqlRun.artifact_uri.startswith(f"{before}/", autoescape=True),
                )
                rest = func.substr(SqlRun.artifact_uri, len(before) + 1)
                session.execute(runs.values(artifact_uri=now + rest))


def _folder(location: str) -> Path | None:
    """That of an experiment whose files are kept in a folder of this kind; None of others."""
    path = path_of_uri(location) if location.startswith("file:") else None
    return path if path is not None and path.parent.name == ARTIFACTS else None


def _folder_now(old: Path, names: set[str], beside: Path, artifacts: Path) -> Path:
    """Where the files of these experiments are: a copy beside the database goes before the original."""
    for place in (beside, old, artifacts):
        if any((place / name).is_dir() for name in names):
            return old if old.is_dir() and old.samefile(place) else place
    return beside if artifacts == beside else old
