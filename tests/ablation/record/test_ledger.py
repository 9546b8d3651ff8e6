"""The record: what was asked, what ran, what it scored, and nothing that never finished."""

import json
import math
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any
from unittest.mock import Mock

import pytest
from mlflow.entities import Run

from ablation.record.ledger import Ledger
from ablation.record.plans import OPENING_SECONDS
from ablation.record.runs import SHORT_PATIENCE, Measured
from t1t2core.errors import InputError
from tests.conftest import Record

LEASE = 60.0
NOON = 1_800_000_000.0
DRIVERS = 3
PLANS = [f"plan {number}" for number in range(8)]
SCORES = [{"weights": "best", "split": "test", "patient": "sub-01"}]


def start(ledger: Ledger, key: str, *, experiment: str = "conservative", name: str = "open") -> str:
    identifier = ledger.experiment(experiment)
    parent = ledger.open_plan(identifier, f"plan of {experiment}", experiment, {})
    return ledger.start_trial(identifier, parent, name, params={"fold": 1}, tags={"trial_key": key})


def finish(ledger: Ledger, run_id: str, folder: Path, **metrics: float) -> None:
    files = folder / f"files of {run_id}"
    files.mkdir()
    (files / "scores.json").write_text(json.dumps(SCORES))
    ledger.finish_trial(run_id, metrics, {"stop_reason": "max_steps"}, files, at=NOON)


def move(ledger: Ledger, run_id: str, driver: str, heartbeat: float) -> None:
    """Makes it another driver's run."""
    for name, value in (("driver", driver), ("heartbeat", str(heartbeat))):
        ledger.client.set_tag(run_id, name, value)


def active(ledger: Ledger) -> list[Run]:
    experiments = [experiment.experiment_id for experiment in ledger.client.search_experiments()]
    return list(ledger.client.search_runs(experiments))


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# Plans


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
    move(ledger, left.info.run_id, "elsewhere", time.time() - 2 * OPENING_SECONDS)
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


# Trials


def test_only_this_drivers_runs_are_ended_with_it(ledger: Ledger) -> None:
    ours, theirs = start(ledger, "a"), start(ledger, "b")
    move(ledger, theirs, "elsewhere", time.time())
    ledger.stop_trials()
    states = [ledger.client.get_run(run_id).info.status for run_id in (ours, theirs)]
    assert states == ["KILLED", "RUNNING"]


def test_a_removed_run_is_known_to_be_gone(ledger: Ledger) -> None:
    run_id = start(ledger, "k")
    assert ledger.has_run(run_id)
    ledger.remove(run_id)
    assert not ledger.has_run(run_id)
    assert not ledger.has_run("0" * 32)


def test_a_trial_is_a_nested_run_with_its_factors(ledger: Ledger) -> None:
    experiment = ledger.experiment("conservative")
    parent = ledger.open_plan(experiment, "plan", "conservative", {})
    params = {"strategy": "open", "learning_rate": 1e-4, "training.patch": (8, 8, 8)}
    run_id = ledger.start_trial(experiment, parent, "open lr=0.0001", params=params, tags={"trial_key": "k"})
    run = ledger.client.get_run(run_id)
    assert run.info.status == "RUNNING"
    assert run.info.run_name == "open lr=0.0001"
    assert run.data.tags["mlflow.parentRunId"] == parent
    assert run.data.tags["trial_key"] == "k"
    assert run.data.params == {
        "strategy": "open",
        "learning_rate": "0.0001",
        "training.patch": "(8, 8, 8)",
    }


def test_values_of_an_epoch_are_kept_with_their_step(ledger: Ledger) -> None:
    run_id = start(ledger, "k")
    for epoch in (1, 2):
        ledger.log(run_id, [Measured({"train/loss": 1 / epoch}, epoch, NOON + epoch)])
    history = ledger.client.get_metric_history(run_id, "train/loss")
    assert [(metric.step, metric.value) for metric in history] == [(1, 1.0), (2, 0.5)]
    assert [metric.timestamp / 1000 for metric in history] == [NOON + 1, NOON + 2]


def test_what_is_logged_again_counts_once(ledger: Ledger) -> None:
    """Whoever got no answer cannot know whether it was written."""
    run_id = start(ledger, "k")
    for _ in range(2):
        ledger.log(run_id, [Measured({"train/loss": 0.5}, 1, NOON)])
    assert len(ledger.client.get_metric_history(run_id, "train/loss")) == 1


def test_what_is_not_finite_is_left_out(ledger: Ledger, tmp_path: Path) -> None:
    run_id = start(ledger, "k")
    ledger.log(
        run_id, [Measured({"a": math.nan, "b": math.inf, "c": -math.inf, "train/loss": 0.25}, 1, NOON)]
    )
    ledger.log(run_id, [Measured({"a": math.nan}, 2, NOON)])
    finish(ledger, run_id, tmp_path, d=math.inf, e=0.5)
    assert ledger.client.get_run(run_id).data.metrics == {"train/loss": 0.25, "e": 0.5}


def test_a_long_history_comes_with_the_end(ledger: Ledger, tmp_path: Path) -> None:
    """MLflow takes no more than 1000 values at once."""
    run_id = start(ledger, "k")
    names = [f"validation/{number}" for number in range(7)]
    history = [Measured(dict.fromkeys(names, float(epoch)), epoch, NOON + epoch) for epoch in range(1, 301)]
    files = tmp_path / "files"
    files.mkdir()
    ledger.finish_trial(run_id, {"e": 0.5}, {}, files, at=NOON + 301, history=history)
    for name in names:
        steps = [metric.step for metric in ledger.client.get_metric_history(run_id, name)]
        assert sorted(steps) == list(range(1, 301))
    assert ledger.client.get_run(run_id).data.metrics["e"] == 0.5


def test_a_finished_trial_is_read_back_whole(ledger: Ledger, tmp_path: Path) -> None:
    run_id = start(ledger, "k", name="conservative 9")
    finish(ledger, run_id, tmp_path, **{"test/bone/dsc": 0.75})
    (record,) = ledger.records([ledger.finished()["k"]])
    assert record.run_id == run_id
    assert record.name == "conservative 9"
    assert record.params["fold"] == "1"
    assert record.metrics == {"test/bone/dsc": 0.75}
    assert record.tags["stop_reason"] == "max_steps"
    assert record.scores == SCORES


def test_finished_trials_of_all_experiments_are_known_and_no_others(ledger: Ledger, tmp_path: Path) -> None:
    for key, experiment in (("a", "conservative"), ("b", "open")):
        finish(ledger, start(ledger, key, experiment=experiment), tmp_path)
    start(ledger, "running")
    ledger.fail_trial(start(ledger, "failed"), "MemoryError", "")
    assert ledger.finished().keys() == {"a", "b"}


def test_more_trials_than_one_page_holds(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ablation.record.runs.PAGE", 2)
    for key in "abcde":
        finish(ledger, start(ledger, key), tmp_path)
    assert ledger.finished().keys() == set("abcde")


def test_of_two_finished_runs_of_a_trial_the_newer_counts(ledger: Ledger, tmp_path: Path) -> None:
    older = start(ledger, "k")
    finish(ledger, older, tmp_path, **{"test/bone/dsc": 0.1})
    time.sleep(0.01)  # MLflow's clock counts milliseconds
    newer = start(ledger, "k")
    finish(ledger, newer, tmp_path, **{"test/bone/dsc": 0.2})
    assert ledger.finished()["k"].info.run_id == newer


def test_a_failed_trial_says_why(ledger: Ledger) -> None:
    run_id = start(ledger, "k")
    ledger.fail_trial(run_id, "x" * 10_000, "Traceback: all of it")
    run = ledger.client.get_run(run_id)
    assert run.info.status == "FAILED"
    assert set(run.data.tags["error"]) == {"x"}
    assert ledger.read_file(run_id, "error.txt") == b"Traceback: all of it"


def test_only_the_unfinished_runs_of_the_given_trials_are_removed(ledger: Ledger, tmp_path: Path) -> None:
    ended: dict[str, Callable[[str], None]] = {
        "running here": lambda run_id: None,
        "running elsewhere": lambda run_id: move(ledger, run_id, "elsewhere", time.time()),
        "left": lambda run_id: move(ledger, run_id, "elsewhere", time.time() - 2 * LEASE),
        "failed": lambda run_id: ledger.fail_trial(run_id, "MemoryError", ""),
        "killed": lambda run_id: ledger.client.set_terminated(run_id, "KILLED"),
        "finished": lambda run_id: finish(ledger, run_id, tmp_path),
    }
    runs = {}
    for key in ("wanted", "not asked for"):
        for state, end in ended.items():
            runs[key, state] = start(ledger, f"{key} {state}", experiment=state)
            end(runs[key, state])
    ledger.clear_unfinished((f"wanted {state}" for state in ended), LEASE)
    left = {run.info.run_id for run in active(ledger) if run.data.tags["kind"] == "trial"}
    removed = {("wanted", "left"), ("wanted", "failed"), ("wanted", "killed")}
    assert left == {run_id for which, run_id in runs.items() if which not in removed}


def test_the_parent_run_is_not_removed_with_its_trials(ledger: Ledger) -> None:
    ledger.client.set_terminated(start(ledger, "k"), "KILLED")
    ledger.clear_unfinished(["k"], LEASE)
    assert [run.data.tags["kind"] for run in active(ledger)] == ["plan"]


# Addresses


def test_the_database_is_made_where_there_is_none_and_only_then(blank_record: Path, tmp_path: Path) -> None:
    # `blank_record` was made by opening a record in an empty folder.
    assert sorted(path.name for path in blank_record.parent.iterdir()) == ["mlflow.db"]
    record = Record(f"sqlite:///{blank_record}", tmp_path)
    before = blank_record.stat().st_ino
    record.open()
    assert blank_record.stat().st_ino == before


def test_a_kill_while_the_database_is_made_leaves_none(tmp_path: Path) -> None:
    database = tmp_path / "mlflow.db"
    program = (
        "from pathlib import Path; from ablation.record.ledger import Ledger; "
        f"Ledger('sqlite:///{database}', Path('{tmp_path}'))"
    )
    with subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and not list(tmp_path.iterdir()):
            time.sleep(0.005)
        os.kill(process.pid, signal.SIGKILL)
    assert list(tmp_path.iterdir()), "the making had begun"
    assert not database.exists()


def test_a_server_that_does_not_answer_is_refused(tmp_path: Path) -> None:
    uri = f"http://127.0.0.1:{closed_port()}"
    with pytest.raises(InputError, match=f"tracking address {uri} does not answer as MLflow: .*refused"):
        Ledger(uri, tmp_path)


def test_a_server_that_never_answers_is_refused_before_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SHORT_PATIENCE, "MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    before = dict(os.environ)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(InputError, match=f"tracking address {uri} does not answer as MLflow"):
            Ledger(uri, tmp_path)
    assert dict(os.environ) == before, "once it has answered, a server may take its time"


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("dear diary, this is not a database")
    with pytest.raises(InputError, match=r"notes\.txt does not answer as MLflow"):
        Ledger(f"sqlite:///{file}", tmp_path)
    assert file.read_text(encoding="utf-8") == "dear diary, this is not a database"


@pytest.mark.parametrize("uri", ["nonsense://host", "mlruns", "postgresql://user:word@127.0.0.1:9/runs"])
def test_an_address_that_mlflow_cannot_use_is_refused(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"tracking address .* does not answer as MLflow"):
        Ledger(uri, tmp_path)
