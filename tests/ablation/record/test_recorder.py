"""The record of a sweep: who claims a trial writes it, once, and what it cannot take now comes later."""

import json
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException

from ablation.names import HEARTBEAT
from ablation.record.claims import Claim
from ablation.record.ledger import Ledger
from ablation.record.leftovers import tidy
from ablation.record.recorder import Recorder, UnansweredError
from ablation.record.settings import SETTINGS_FILE, read_settings
from ablation.store.checkpoints import Checkpoint, save_checkpoint
from ablation.store.outcome import has_outcome
from ablation.store.storage import Storage
from t1t2core.settings import CohortSettings, Settings
from tests.builders.recorders import LEASE, recorder_of
from tests.builders.trials import KEY, TRIAL
from tests.conftest import Record

HISTORY = [{"epoch": e, "at": 1_800_000_000.0 + e, "train/loss": 1 / e} for e in (1, 2)]


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(str(tmp_path / "store"))


@pytest.fixture
def record(tmp_path: Path, add_record: Callable[[Path], Record]) -> Record:
    return add_record(tmp_path)


@pytest.fixture
def recorder(record: Record, storage: Storage) -> Recorder:
    return recorder_of(record.open(), storage)


@pytest.fixture
def other(record: Record, storage: Storage) -> Recorder:
    """Of another driver, on another machine."""
    return recorder_of(Ledger(record.uri, record.artifacts, driver="elsewhere/1/1"), storage)


def take_over(recorder: Recorder, other: Recorder) -> None:
    """The trial of a driver that does not beat any more."""
    (run,) = recorder.ledger.runs_of(KEY)
    recorder.ledger.tag(run.info.run_id, {HEARTBEAT: "0"})
    assert other.claim(TRIAL) is Claim.OURS


def leave_outcome(storage: Storage) -> None:
    """As the worker does when the trial is done."""
    summary = {"metrics": {"test/bone/dsc": 0.5}, "stop_reason": "max_epochs"}
    storage.write(f"outcomes/{KEY}/summary.json", json.dumps({**summary, "history": HISTORY}).encode())
    storage.write(f"outcomes/{KEY}/scores.json", b"[]")
    save_checkpoint(storage, KEY, Checkpoint({}, HISTORY, 1.0))


def left_in(storage: Storage) -> list[str]:
    return [*storage.names(f"outcomes/{KEY}"), *storage.names("checkpoints")]


def states(recorder: Recorder) -> list[str]:
    return [run.info.status for run in recorder.ledger.runs_of(KEY)]


def cut(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Makes the record unreachable; gives what makes it answer again."""
    client = recorder.ledger.client

    class Away:
        def __getattr__(self, name: str) -> Callable[..., None]:
            def fail(*args: object, **kwargs: object) -> None:
                raise MlflowException("connection refused")

            if name.startswith("_"):
                fail()
            return fail

    monkeypatch.setattr("ablation.record.delivery.PAUSE_SECONDS", 0.0)
    monkeypatch.setattr("ablation.record.delivery.SHORTEST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(recorder.ledger, "client", Away())
    return lambda: monkeypatch.setattr(recorder.ledger, "client", client)


def test_a_trial_is_claimed_logged_and_finished(recorder: Recorder, storage: Storage) -> None:
    assert recorder.claim(TRIAL) is Claim.OURS
    assert recorder.holds(KEY)
    recorder.log_epochs(KEY, HISTORY[:1])
    leave_outcome(storage)
    assert recorder.finish(TRIAL)
    (run,) = recorder.ledger.runs_of(KEY)
    assert run.info.status == "FINISHED"
    assert run.data.tags["stop_reason"] == "max_epochs"
    history = recorder.ledger.client.get_metric_history(run.info.run_id, "train/loss")
    assert [(metric.step, metric.value) for metric in history] == [(1, 1.0), (2, 0.5)]
    assert not has_outcome(storage, KEY)
    assert storage.names("checkpoints") == []


@pytest.mark.parametrize("excluded", [1, 400])
def test_settings_of_any_length_are_in_the_record_of_a_trial(
    record: Record, storage: Storage, excluded: int
) -> None:
    names = tuple(f"sub-{number:04}-of-a-long-study" for number in range(excluded))
    settings = Settings(cohort=CohortSettings(exclude=names, select={"ct": {"session": "ct"}}))
    recorder = recorder_of(record.open(), storage)
    trial = replace(TRIAL, settings=settings)
    leave_outcome(storage)
    assert recorder.claim(trial) is Claim.OURS
    assert recorder.finish(trial)
    ledger = record.open()
    (run,) = ledger.runs_of(KEY)
    content = ledger.read_file(run.info.run_id, SETTINGS_FILE)
    assert content is not None
    assert read_settings(content, run.data.params, source="the run") == settings
    assert [one.run_id for one in ledger.records([run])] == [run.info.run_id]


def test_epochs_are_logged_several_at_once(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has to wait is lost neither to the next epoch nor to a failure."""
    epochs = [{"epoch": epoch, "at": 100.0 + epoch, "train/loss": 1.0 / epoch} for epoch in (1, 2, 3, 4)]
    requests: list[int] = []
    log = recorder.ledger.log
    monkeypatch.setattr(
        recorder.ledger, "log", lambda run, values: (requests.append(len(values)), log(run, values))
    )
    recorder.claim(TRIAL)
    recorder.log_epochs(KEY, epochs[:1])
    recorder.log_epochs(KEY, epochs[1:2])
    assert requests == []
    monkeypatch.setattr("ablation.record.epochs.EPOCHS_SECONDS", 0.0)
    recorder.log_epochs(KEY, epochs[2:3])
    monkeypatch.setattr("ablation.record.epochs.EPOCHS_SECONDS", 60.0)
    recorder.log_epochs(KEY, epochs[3:])
    assert requests == [3]
    (run,) = recorder.ledger.runs_of(KEY)
    recorder.fail(TRIAL, "out of luck", "")
    history = recorder.ledger.client.get_metric_history(run.info.run_id, "train/loss")
    assert [metric.step for metric in history] == [1, 2, 3, 4]


def test_a_trial_that_another_driver_is_at_work_on_is_left_alone(recorder: Recorder, other: Recorder) -> None:
    assert other.claim(TRIAL) is Claim.OURS
    assert recorder.claim(TRIAL) is Claim.THEIRS
    assert not recorder.holds(KEY)
    assert states(recorder) == ["RUNNING"]


def test_a_trial_that_another_driver_recorded_is_not_run(
    recorder: Recorder, other: Recorder, storage: Storage
) -> None:
    other.claim(TRIAL)
    leave_outcome(storage)
    other.finish(TRIAL)
    assert recorder.claim(TRIAL) is Claim.RECORDED


def test_a_driver_that_is_alone_looks_for_no_other_claims(
    record: Record, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That would take longer the more is recorded; what was recorded before it came it knows."""
    first = recorder_of(record.open(), storage)
    monkeypatch.setattr(first.ledger, "runs_of", None)
    assert first.claim(TRIAL) is Claim.OURS
    leave_outcome(storage)
    assert first.finish(TRIAL)
    first.close("FINISHED", "", patient=True)
    second = recorder_of(record.open(), storage)
    monkeypatch.setattr(second.ledger, "runs_of", None)
    assert second.claim(TRIAL) is Claim.RECORDED


def test_a_driver_that_is_gone_is_replaced_and_so_is_a_trial_that_failed(
    recorder: Recorder, other: Recorder
) -> None:
    other.claim(TRIAL)
    (run,) = recorder.ledger.runs_of(KEY)
    recorder.ledger.client.set_tag(run.info.run_id, HEARTBEAT, f"{time.time() - 20 * LEASE:.0f}")
    assert recorder.claim(TRIAL) is Claim.OURS
    assert states(recorder) == ["RUNNING"]
    recorder.fail(TRIAL, "ValueError: bad luck", "all of it")
    assert states(recorder) == ["FAILED"]
    assert other.claim(TRIAL) is Claim.OURS
    assert states(recorder) == ["RUNNING"]


def test_a_trial_that_was_taken_over_is_not_written(
    recorder: Recorder, other: Recorder, storage: Storage
) -> None:
    recorder.claim(TRIAL)
    take_over(recorder, other)
    recorder.log_epochs(KEY, HISTORY)
    leave_outcome(storage)
    assert not recorder.finish(TRIAL), "the other records it"
    assert states(recorder) == ["RUNNING"]
    assert has_outcome(storage, KEY)
    assert other.finish(TRIAL)
    assert states(recorder) == ["FINISHED"]


def test_a_trial_that_comes_back_is_recorded_from_its_first_epoch(
    recorder: Recorder, storage: Storage
) -> None:
    recorder.claim(TRIAL)
    recorder.log_epochs(KEY, HISTORY)
    (run,) = recorder.ledger.runs_of(KEY)
    recorder.ledger.remove(run.info.run_id)
    leave_outcome(storage)
    assert not recorder.finish(TRIAL)
    assert recorder.claim(TRIAL) is Claim.OURS
    assert recorder.finish(TRIAL)
    (run,) = recorder.ledger.runs_of(KEY)
    assert len(recorder.ledger.client.get_metric_history(run.info.run_id, "train/loss")) == len(HISTORY)


def test_what_the_record_cannot_take_is_delivered_when_it_answers(
    recorder: Recorder, storage: Storage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "ablation")
    recorder.claim(TRIAL)
    restore = cut(recorder, monkeypatch)
    recorder.log_epochs(KEY, HISTORY)
    leave_outcome(storage)
    recorder.finish(TRIAL)
    assert recorder.undelivered == {KEY: "connection refused"}
    assert has_outcome(storage, KEY), "until it is recorded"
    restore()
    recorder.close("FINISHED", "", patient=True)
    assert recorder.undelivered == {}
    (run,) = recorder.ledger.runs_of(KEY)
    assert run.info.status == "FINISHED"
    assert len(recorder.ledger.client.get_metric_history(run.info.run_id, "train/loss")) == len(HISTORY)
    assert [line.partition(":")[0] for line in caplog.messages] == [
        "not recorded yet",
        "all is recorded again",
    ]


def test_a_trial_that_could_not_be_claimed_is_run_and_recorded_later(
    recorder: Recorder, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    restore = cut(recorder, monkeypatch)
    assert recorder.claim(TRIAL) is Claim.OURS
    assert not recorder.holds(KEY)
    leave_outcome(storage)
    recorder.finish(TRIAL)
    restore()
    recorder.close("FINISHED", "", patient=True)
    assert states(recorder) == ["FINISHED"]


def test_what_is_never_delivered_is_named(
    recorder: Recorder, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ablation.record.recorder.DELIVERY_SECONDS", 0.05)
    recorder.claim(TRIAL)
    cut(recorder, monkeypatch)
    leave_outcome(storage)
    recorder.finish(TRIAL)
    recorder.close("FINISHED", "", patient=True)
    assert recorder.undelivered == {KEY: "connection refused"}
    assert has_outcome(storage, KEY)


def test_an_interrupted_sweep_leaves_nothing_running(recorder: Recorder) -> None:
    recorder.claim(TRIAL)
    recorder.close("KILLED", "", patient=False)
    assert states(recorder) == ["KILLED"]
    assert recorder.ledger.client.get_run(recorder.parent).info.status == "KILLED"


def finish(recorder: Recorder) -> None:
    """Another driver or an earlier command runs the trial to its end."""
    assert recorder.claim(TRIAL) is Claim.OURS
    leave_outcome(recorder.storage)
    assert recorder.finish(TRIAL)


def test_what_a_killed_driver_left_of_recorded_trials_is_removed(
    recorder: Recorder, other: Recorder, storage: Storage
) -> None:
    finish(other)
    leave_outcome(storage)
    save_checkpoint(storage, "another", Checkpoint({}, HISTORY, 1.0))
    tidy(recorder.ledger, storage, [KEY, "another"])
    assert left_in(storage) == ["checkpoints/another.safetensors"], "that one is not recorded"


@pytest.mark.parametrize("end", [None, "KILLED"])
def test_what_a_trial_that_is_run_again_needs_is_kept(
    record: Record, storage: Storage, end: str | None
) -> None:
    first = recorder_of(record.open(), storage)
    finish(first)
    again = recorder_of(record.open(), storage, replaces=first.ledger.finished())
    assert again.claim(TRIAL) is Claim.OURS
    save_checkpoint(storage, KEY, Checkpoint({}, HISTORY, 1.0))
    if end:
        again.close(end, "", patient=False)
    tidy(record.open(), storage, [KEY])
    assert left_in(storage) == [f"checkpoints/{KEY}.safetensors"]


def test_a_worker_that_ends_after_another_driver_has_recorded_its_trial_leaves_nothing(
    recorder: Recorder, other: Recorder, storage: Storage
) -> None:
    """It knew nothing of it; so its driver cleans up, as soon as it learns how things stand."""
    recorder.claim(TRIAL)
    take_over(recorder, other)
    leave_outcome(storage)
    assert other.finish(TRIAL)
    assert left_in(storage) == []
    leave_outcome(storage)
    assert not recorder.finish(TRIAL)
    assert recorder.claim(TRIAL) is Claim.RECORDED
    assert left_in(storage) == []
    assert states(recorder) == ["FINISHED"]


def test_what_a_worker_leaves_while_another_driver_is_at_its_trial_is_for_that_driver(
    recorder: Recorder, other: Recorder, storage: Storage
) -> None:
    recorder.claim(TRIAL)
    take_over(recorder, other)
    leave_outcome(storage)
    assert not recorder.finish(TRIAL)
    assert recorder.claim(TRIAL) is Claim.THEIRS
    recorder.close("FINISHED", "", patient=True)
    assert has_outcome(storage, KEY)
    assert other.finish(TRIAL)
    assert left_in(storage) == []


def test_a_worker_that_fails_after_another_driver_has_recorded_its_trial_leaves_nothing(
    recorder: Recorder, other: Recorder, storage: Storage
) -> None:
    recorder.claim(TRIAL)
    take_over(recorder, other)
    leave_outcome(storage)
    assert other.finish(TRIAL)
    save_checkpoint(storage, KEY, Checkpoint({}, HISTORY, 1.0))
    recorder.fail(TRIAL, "ValueError: bad luck", "all of it")
    recorder.close("FAILED", "", patient=True)
    assert left_in(storage) == []
    assert states(recorder) == ["FINISHED"]


def test_a_result_that_cannot_be_asked_just_now_is_asked_again(
    recorder: Recorder, other: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish(other)
    restore = cut(recorder, monkeypatch)
    with pytest.raises(UnansweredError):
        recorder.result_of(TRIAL)
    restore()
    assert recorder.result_of(TRIAL).metrics["test/bone/dsc"] == 0.5


def test_a_trial_whose_run_is_gone_is_run_again(record: Record, recorder: Recorder, storage: Storage) -> None:
    """Somebody has deleted it in MLflow's pages since this driver came."""
    finish(recorder)
    later = recorder_of(record.open(), storage)
    assert later.claim(TRIAL) is Claim.RECORDED
    later.ledger.remove(later.ledger.runs_of(KEY)[0].info.run_id)
    with pytest.raises(UnansweredError):
        later.result_of(TRIAL)
    assert later.claim(TRIAL) is Claim.OURS


def test_a_rerun_replaces_the_run_only_when_it_is_done(record: Record, storage: Storage) -> None:
    first = recorder_of(record.open(), storage)
    first.claim(TRIAL)
    leave_outcome(storage)
    first.finish(TRIAL)
    old = first.ledger.finished()[KEY].info.run_id
    again = recorder_of(record.open(), storage, replaces=first.ledger.finished())
    assert again.claim(TRIAL) is Claim.OURS
    assert again.ledger.finished()[KEY].info.run_id == old
    leave_outcome(storage)
    again.finish(TRIAL)
    assert states(again) == ["FINISHED"]
    assert again.ledger.finished()[KEY].info.run_id != old


def test_claims_are_kept_alive(record: Record, storage: Storage) -> None:
    recorder = recorder_of(record.open(), storage, lease_seconds=0.1)
    recorder.claim(TRIAL)
    (run,) = recorder.ledger.runs_of(KEY)
    run_id = run.info.run_id
    recorder.ledger.client.set_tag(run_id, HEARTBEAT, "0")
    with recorder.beating():
        while recorder.ledger.client.get_run(run_id).data.tags[HEARTBEAT] == "0":
            time.sleep(0.01)
