"""Trials in the record: what ran, what it scored, and nothing that never finished."""

import math
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ablation.record.ledger import Ledger
from ablation.record.runs import Measured
from tests.builders.runs import NOON, SCORES, active, finish, move, start

LEASE = 60.0


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
        "left": lambda run_id: move(ledger, run_id, "elsewhere", time.time() - 20 * LEASE),
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
