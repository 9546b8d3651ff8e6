"""Plans in the record: the same one goes on, however many drivers there are and however they died."""

import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any
from unittest.mock import Mock

import pytest
from mlflow.entities import Run

from ablation.record.ledger import Ledger
from ablation.record.plans import OPENING_SECONDS
from tests.builders.runs import active, finish, move, start
from tests.conftest import Record

DRIVERS = 3
PLANS = [f"plan {number}" for number in range(8)]


def test_an_experiment_is_made_once_and_keeps_its_files_in_the_output_folder(
    ledger: Ledger, tmp_path: Path
) -> None:
    identifier = ledger.experiment("conservative")
    assert ledger.experiment("conservative") == identifier
    assert ledger.experiment("open") != identifier
    location = ledger.client.get_experiment(identifier).artifact_location
    assert location == (tmp_path / "artifacts" / "conservative").as_uri()


def test_the_same_plan_goes_on_in_the_same_parent_run(ledger: Ledger) -> None:
    experiment = ledger.experiment("conservative")
    first = ledger.open_plan(experiment, "plan", "conservative", {"command": "one"})
    ledger.close_plan(first, "KILLED", "1 of 3 trials")
    assert ledger.open_plan(experiment, "plan", "conservative", {"command": "two"}) == first
    run = ledger.client.get_run(first)
    assert run.info.status == "RUNNING"
    assert run.data.tags["command"] == "two"
    ledger.close_plan(first, "FINISHED", "3 of 3 trials")
    run = ledger.client.get_run(first)
    assert run.info.status == "FINISHED"
    assert run.data.tags["mlflow.note.content"] == "3 of 3 trials"
    assert run.info.end_time >= run.info.start_time


def test_another_plan_and_another_experiment_have_parents_of_their_own(ledger: Ledger) -> None:
    one, two = ledger.experiment("conservative"), ledger.experiment("open")
    parents = {ledger.open_plan(one, "a", "x", {}), ledger.open_plan(one, "b", "x", {})}
    assert len(parents | {ledger.open_plan(two, "a", "x", {})}) == 3


def test_a_driver_that_comes_second_takes_the_plan_of_the_first(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = ledger.experiment("conservative")
    real, others = ledger.client.create_run, []

    def another_is_faster(*args: Any, **kwargs: Any) -> Run:
        monkeypatch.undo()
        others.append(ledger.open_plan(experiment, "plan", "conservative", {}))
        return real(*args, **kwargs)

    monkeypatch.setattr(ledger.client, "create_run", another_is_faster)
    assert [ledger.open_plan(experiment, "plan", "conservative", {})] == others
    assert [run.info.run_id for run in active(ledger)] == others


def open_plans(uri: str, artifacts: Path, together: Barrier) -> list[str]:
    together.wait(60)
    ledger = Ledger(uri, artifacts)
    opened = []
    for plan in PLANS:
        together.wait(60)
        opened.append(ledger.open_plan(ledger.experiment(plan), plan, "conservative", {}))
    return opened


@pytest.mark.slow
def test_drivers_that_make_plans_at_the_same_moment_have_one_of_each(
    tmp_path: Path,
) -> None:
    """In a record that is not there yet either."""
    record = Record(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path / "artifacts")
    spawn = multiprocessing.get_context("spawn")
    with spawn.Manager() as manager, ProcessPoolExecutor(DRIVERS, mp_context=spawn) as pool:
        arguments = record.uri, record.artifacts, manager.Barrier(DRIVERS)
        opened = [driver.result() for driver in [pool.submit(open_plans, *arguments) for _ in range(DRIVERS)]]
    assert opened == [opened[0]] * DRIVERS
    assert {run.info.run_id for run in active(record.open())} == set(opened[0])
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow.db"]
    assert len(set(opened[0])) == len(PLANS)


def test_what_a_driver_left_that_died_while_it_made_a_plan_is_cleared_away(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = ledger.experiment("conservative")
    with monkeypatch.context() as dying:
        dying.setattr(ledger.client, "update_run", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            ledger.open_plan(experiment, "plan", "conservative", {})
    (left,) = active(ledger)
    move(ledger, left.info.run_id, "elsewhere", time.time() - 20 * OPENING_SECONDS)
    opened = ledger.open_plan(experiment, "plan", "conservative", {})
    assert [run.info.run_id for run in active(ledger)] == [opened] != [left.info.run_id]


def test_runs_that_were_deleted_in_mlflows_pages_are_made_again(ledger: Ledger, tmp_path: Path) -> None:
    experiment = ledger.experiment("conservative")
    trial = start(ledger, "k")
    finish(ledger, trial, tmp_path)
    parent = ledger.client.get_run(trial).data.tags["mlflow.parentRunId"]
    ledger.client.delete_run(parent)
    assert ledger.finished().keys() == {"k"}
    assert ledger.open_plan(experiment, "plan of conservative", "conservative", {}) != parent
    ledger.client.delete_run(trial)
    assert not ledger.finished()
    assert not ledger.runs_of("k")
