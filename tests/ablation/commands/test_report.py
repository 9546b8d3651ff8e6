"""A researcher rebuilds the report from the record: elsewhere, of an unfinished sweep, or by a wrong name."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ablation.commands.report import app
from tests.builders.recorded_sweeps import add_sweep, factors
from tests.conftest import Record

ARMS = [factors("open"), factors("conservative", "9"), factors("conservative", "18")]


@pytest.fixture
def record(tmp_path: Path, add_record: Callable[[Path], Record]) -> Record:
    return add_record(tmp_path / "runs")


def space_file(folder: Path, name: str) -> Path:
    file = folder / f"{name}.yaml"
    file.write_text(f"name: {name}\narms:\n  - strategy: open\n", encoding="utf-8")
    return file


def report(folder: Path, name: str, *options: str) -> Result:
    return CliRunner().invoke(app, ["--space", str(space_file(folder, name)), *options])


def test_the_report_is_rebuilt_in_another_folder_from_the_record_alone(
    record: Record, tmp_path: Path
) -> None:
    add_sweep(record.open(), ARMS, unfinished=1)
    elsewhere = tmp_path / "elsewhere"
    options = ("--output", str(elsewhere), "--tracking-uri", record.uri)
    result = report(tmp_path, "sweep", *options)
    assert result.exit_code == 0, result.output
    page = elsewhere / "sweep" / "report" / "index.html"
    assert result.stdout.splitlines()[-1] == str(page)
    assert "The sweep is not finished: 2 of 3 trials" in page.read_text(encoding="utf-8")
    before = {path: path.read_bytes() for path in elsewhere.rglob("*") if path.is_file()}
    shutil.rmtree(elsewhere)
    assert report(tmp_path, "sweep", *options).exit_code == 0
    assert {path: path.read_bytes() for path in elsewhere.rglob("*") if path.is_file()} == before


def test_a_space_that_was_never_run_and_the_nearest_that_was(record: Record, tmp_path: Path) -> None:
    add_sweep(record.open(), ARMS[:1], space="conservative")
    result = report(tmp_path, "conservativ", "--output", str(tmp_path / "runs"))
    assert result.exit_code == 2
    assert "no run of a search space named conservativ" in result.stderr
    assert "recorded are conservative" in result.stderr
    assert "Traceback" not in result.stderr


def test_no_record_at_all(tmp_path: Path) -> None:
    result = report(tmp_path, "sweep", "--output", str(tmp_path / "nowhere"))
    assert result.exit_code == 2
    assert "say where with --output or --tracking-uri" in result.stderr


def test_a_record_that_was_moved_is_reported_where_it_is_now(record: Record, tmp_path: Path) -> None:
    add_sweep(record.open(), ARMS[:1])
    moved = (tmp_path / "runs").rename(tmp_path / "fetched")
    result = report(tmp_path, "sweep", "--output", str(moved))
    assert result.exit_code == 0, result.output
    assert (moved / "sweep" / "report" / "index.html").exists()
    assert not (tmp_path / "runs").exists()


def test_a_report_that_cannot_be_written(record: Record, tmp_path: Path) -> None:
    add_sweep(record.open(), ARMS)
    taken = tmp_path / "runs" / "sweep" / "results.csv"
    taken.mkdir(parents=True)
    result = report(tmp_path, "sweep", "--output", str(tmp_path / "runs"))
    assert result.exit_code == 1
    assert f"{taken} cannot be written: Is a directory" in result.stderr


def test_a_deleted_experiment_is_told_with_the_way_to_bring_it_back(record: Record, tmp_path: Path) -> None:
    ledger = record.open()
    add_sweep(ledger, ARMS[:1])
    number = ledger.experiment("sweep")
    ledger.client.delete_experiment(number)
    result = report(tmp_path, "sweep", "--output", str(tmp_path / "runs"))
    assert result.exit_code == 2
    assert f"mlflow experiments restore --experiment-id {number}`" in result.stderr
    ledger.client.restore_experiment(number)
    assert report(tmp_path, "sweep", "--output", str(tmp_path / "runs")).exit_code == 0
