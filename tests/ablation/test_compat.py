"""The private parts of libraries that the product uses are as they were when it was written."""

from importlib.metadata import version
from pathlib import Path

import pytest
from mlflow import MlflowClient

from ablation import compat
from ablation.record.ledger import Ledger

# MLflow


def test_mlflow_is_of_a_release_that_its_private_parts_were_tried_with() -> None:
    installed = version("mlflow")
    if installed.rpartition(".")[0] not in compat.MLFLOW_VERSIONS:
        pytest.fail(
            f"mlflow {installed} is not among the releases that ablation/compat.py was tried with "
            f"({', '.join(compat.MLFLOW_VERSIONS)}): run all tests with it, and if they pass add it there"
        )


def test_a_database_is_open_to_us_and_a_server_is_not(ledger: Ledger) -> None:
    store = compat.database_of(ledger.client)
    assert store is not None
    with compat.database_session(store) as session:
        names = session.query(compat.database_tables().SqlExperiment.name).all()
    assert [name for (name,) in names] == ["Default"]
    assert compat.database_of(MlflowClient("http://127.0.0.1:9")) is None


def test_files_are_found_by_the_address_that_is_given(tmp_path: Path) -> None:
    (tmp_path / "a file").write_text("content")
    files = compat.artifacts_at(tmp_path.as_uri(), "sqlite:///none.db")
    assert [file.path for file in files.list_artifacts()] == ["a file"]
    assert compat.path_of_uri(tmp_path.as_uri()) == tmp_path


def test_a_new_experiment_shows_runs_first(ledger: Ledger) -> None:
    tags = ledger.client.get_experiment(ledger.experiment("conservative")).tags
    assert compat.first_view_tags("trials", tags["mlflow.sharedViewState.trials"]).items() <= tags.items()
