"""A record's database: made whole or not at all, anywhere that MLflow can open, and moved with its files."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ablation.record.database import database_address, database_file
from ablation.record.ledger import Ledger, open_record
from ablation.record.plan_record import read_plan
from t1t2core.errors import InputError
from tests.builders.recorded_sweeps import add_sweep, factors
from tests.conftest import Record

ARMS = [factors("no_fine_tuning"), factors("open")]
ODD = ["two words", "100%", "a#b", "ü", "a;b&c", 'it\'s "quoted"', "back\\slash", "[a]:@b", "~", "$HOME", "-"]

Add = Callable[[Path], Record]


@pytest.fixture
def runs(tmp_path: Path, add_record: Add) -> Path:
    """An output folder with a finished sweep."""
    add_sweep(add_record(tmp_path / "runs").open(), ARMS)
    return tmp_path / "runs"


def files_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def go_on(output: Path) -> None:
    """Records another sweep, and a further file of the first, in what is there."""
    ledger = open_record(output, None)
    add_sweep(ledger, ARMS, space="another")
    ledger.keep_files(read_plan(ledger, "sweep").parent.info.run_id, {"new.txt": b"new"})


# Moved, fetched or copied


def test_a_record_that_was_moved_is_read_and_gone_on_with_at_its_new_place(
    runs: Path, tmp_path: Path
) -> None:
    elsewhere = runs.rename(tmp_path / "else where")
    ledger = open_record(elsewhere, None)
    plan = read_plan(ledger, "sweep")
    assert len(plan.records) == 2
    location = (elsewhere / "artifacts" / "sweep").as_uri()
    assert ledger.client.get_experiment_by_name("sweep").artifact_location == location
    for record in plan.records:  # as MLflow's own pages look for them
        assert [file.path for file in ledger.client.list_artifacts(record.run_id)] == ["scores.json"]
    go_on(elsewhere)
    assert not runs.exists()


def test_a_copy_reads_and_writes_its_own_files(runs: Path, tmp_path: Path) -> None:
    before = files_below(runs)
    copy = tmp_path / "copy"
    shutil.copytree(runs, copy)
    shutil.rmtree(
        copy / "artifacts" / "sweep" / read_plan(open_record(runs, None), "sweep").records[0].run_id
    )
    with pytest.raises(InputError, match=rf"are not at file://{copy}/"):
        read_plan(open_record(copy, None), "sweep")
    shutil.copytree(runs, copy, dirs_exist_ok=True)
    go_on(copy)
    assert files_below(runs) == before
    assert len(read_plan(open_record(runs, None), "sweep").records) == 2


def test_an_experiment_without_a_file_goes_with_the_others(runs: Path, tmp_path: Path) -> None:
    number = open_record(runs, None).experiment("pretraining")
    shutil.copytree(runs, tmp_path / "copy")
    ledger = open_record(tmp_path / "copy", None)
    run_id = ledger.client.create_run(number).info.run_id
    ledger.keep_files(run_id, {"error.txt": b"of the copy"})
    assert not (runs / "artifacts" / "pretraining").exists()
    assert (tmp_path / "copy" / "artifacts" / "pretraining" / run_id).is_dir()


def test_files_in_another_folder_than_the_database_stay_there_or_move_alone(
    tmp_path: Path, add_record: Add
) -> None:
    record = add_record(tmp_path / "database")
    add_sweep(open_record(tmp_path / "runs", record.uri), ARMS)
    ledger = open_record(tmp_path / "elsewhere", record.uri)
    assert len(read_plan(ledger, "sweep").records) == 2
    assert not (tmp_path / "elsewhere").exists()
    moved = (tmp_path / "runs").rename(tmp_path / "elsewhere")
    assert len(read_plan(open_record(moved, record.uri), "sweep").records) == 2


def test_a_link_to_the_folder_is_no_move(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(runs)
    ledger = Ledger(f"sqlite:///{tmp_path / 'link' / 'mlflow.db'}", tmp_path / "link" / "artifacts")
    location = (runs / "artifacts" / "sweep").as_uri()
    assert ledger.client.get_experiment_by_name("sweep").artifact_location == location


def test_experiments_of_other_programs_are_left_alone(runs: Path, tmp_path: Path) -> None:
    theirs = (tmp_path / "gone" / "files").as_uri()
    number = open_record(runs, None).client.create_experiment("theirs", artifact_location=theirs)
    ledger = open_record(runs.rename(tmp_path / "elsewhere"), None)
    assert ledger.client.get_experiment(number).artifact_location == theirs


# Names of folders


@pytest.mark.parametrize("name", ODD)
def test_a_folder_with_an_odd_name_holds_a_record(name: str, tmp_path: Path, add_record: Add) -> None:
    output = tmp_path / name
    add_record(output)
    assert len(add_sweep(open_record(output, None), ARMS).records) == 2
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert {"mlflow.db", "artifacts"} == {path.name for path in output.iterdir()}


@pytest.mark.parametrize("name", ["q?x=1", "a%20b", "two\nlines", "tab\t", "latin-1 \udcfc"])
def test_a_folder_that_mlflow_would_misread_is_refused_and_leaves_nothing(name: str, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    address = database_address(tmp_path / "there" / name / "mlflow.db")
    with pytest.raises(InputError, match=r"the record cannot lie at .* misreads .* --output"):
        Ledger(address, tmp_path / "artifacts")
    assert not list((tmp_path / "there").iterdir())


def test_addresses_of_servers_and_of_other_databases_are_no_files() -> None:
    for address in ("http://127.0.0.1:5000/?a%20b", "postgresql://user:word@host/runs?x=1"):
        assert database_file(address) is None
