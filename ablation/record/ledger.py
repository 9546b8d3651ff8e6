"""The record of what was done and what it scored: MLflow, and nothing beside it.

An experiment a space, a parent run a plan, a nested run a trial. Only the driver writes.
"""

import os
from pathlib import Path

from ablation.record.database import ARTIFACTS, database_address, database_file
from ablation.record.plans import PlanRuns
from ablation.record.registered_models import RegisteredModels
from ablation.record.trials import TrialRuns
from t1t2core.errors import InputError


class Ledger(PlanRuns, TrialRuns, RegisteredModels):
    """The whole record of an address: plans, trials, registered models."""


def asked_address(tracking_uri: str | None) -> str | None:
    """MLflow's address as asked, else the environment's; None where neither names one."""
    return tracking_uri or os.environ.get("MLFLOW_TRACKING_URI")


def record_address(output: Path, tracking_uri: str | None) -> str:
    """MLflow's address: as asked, else the environment's, else the database in the output folder.

    Raises:
        InputError: no database can lie there.
    """
    address = asked_address(tracking_uri) or database_address(output / "mlflow.db")
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
