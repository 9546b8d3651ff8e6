"""The record and the storage: whether they answer, and how soon."""

from pathlib import Path

from ablation.record.database import database_file
from ablation.record.latency import measure_record
from ablation.store.storage import Storage, first_line
from ablation.sweep.doctor.finding import Finding, Status
from ablation.sweep.doctor.units import seconds_of
from t1t2core.errors import InputError

SLOW_SECONDS = 1.0
"""For one question: a trial asks some dozens."""


def check_record(tracking_uri: str, slow: float = SLOW_SECONDS) -> Finding:
    """Whether the record answers, and how soon; one that is not there yet is not made.

    Args:
        tracking_uri: MLflow's address.
        slow: seconds that one question may take.
    """
    file = database_file(tracking_uri)
    if file is not None and not file.exists():
        return Finding("record", Status.OK, f"{file.resolve()} is not there yet, the first run makes it")
    try:
        latency = measure_record(tracking_uri)
    except Exception as error:  # libraries of servers and databases raise errors of their own
        found = f"{tracking_uri}: {first_line(error)}"
        return Finding("record", Status.FAIL, found, _advice(file, str(error)))
    write = "not tried" if latency.write is None else seconds_of(latency.write)
    found = f"{tracking_uri} answers: a read takes {seconds_of(latency.read)}, a write {write}"
    if max(latency.read, latency.write or 0.0) <= slow:
        return Finding("record", Status.OK, found)
    advice = "recording will hold trials up: move it to a disk of this machine, or its server nearer"
    return Finding("record", Status.WARN, found, advice)


def _advice(file: Path | None, cause: str) -> str:
    """What to do where a record does not answer."""
    if file is None:
        return "see that its server runs, and that address, password and --allowed-hosts are right (curl)"
    if "locked" in cause:
        return f"end the program that holds it (fuser -v {file}), or serve it by `mlflow server`"
    if "schema" in cause:
        return f"copy the file, then: mlflow db upgrade sqlite:///{file}"
    return "restore it from a copy, or move it away to begin a new one"


def check_storage(address: str, slow: float = SLOW_SECONDS) -> Finding:
    """Whether storage takes an object and gives it back, and how soon; nothing is left there.

    Args:
        address: a path, or a URI of a bucket.
        slow: seconds that one of these may take.
    """
    try:
        latency = Storage(address).measure()
    except InputError as error:
        advice = "see that the address is right and you may write there (rights, credentials, region, proxy)"
        return Finding("storage", Status.FAIL, str(error), advice)
    write, read, delete = map(seconds_of, latency)
    found = f"{address} takes {write} to write, {read} to read and {delete} to remove a small object"
    if max(latency) <= slow:
        return Finding("storage", Status.OK, found)
    advice = "checkpoints will hold trials up: use a bucket of the same region, or a nearer folder"
    return Finding("storage", Status.WARN, found, advice)
