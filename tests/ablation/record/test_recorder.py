"""The record of a sweep: who claims a trial writes it, once, and what it cannot take now comes later."""

import json
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mlflow.exceptions import MlflowException

from ablation.plan.plan import Trial
from ablation.record.driver import DRIVER, HEARTBEAT
from ablation.record.ledger import Ledger
from ablation.record.recorder import Claim, Recorder
from ablation.record.settings import SETTINGS_FILE, read_settings
from ablation.space.space import Point
from ablation.store.checkpoints import Checkpoint, save_checkpoint
from ablation.store.outcome import has_outcome
from ablation.store.storage import Storage
from t1t2core.cohort.roles import FoldSplit, Roles
from t1t2core.settings import CohortSettings, Settings
from tests.conftest import Record

LEASE = 60.0
KEY = "a key"
HISTORY = [{"epoch": e, "at": 1_800_000_000.0 + e, "train/loss": 1 / e} for e in (1, 2)]
ROLES = Roles((), (), ())
TRIAL = Trial(
    point=Point.canonical(strategy="open", fold=1, t2_train_size=2, learning_rate=1e-3, seed=0),
    split=FoldSplit(1, t1=ROLES, t2=ROLES),
    recipe=None,
    encoder=None,
    key=KEY,
)


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(str(tmp_path / "store"))


@pytest.fixture
def record(tmp_path: Path, add_record: Callable[[Path], Record]) -> Record:
    return add_record(tmp_path)


def recorder_of(ledger: Ledger, storage: Storage, **more: Any) -> Recorder:
    experiment = ledger.experiment("faults")
    given: dict[str, Any] = {
        "parent": ledger.open_plan(experiment, "plan", "faults", {}),
        "settings": Settings(),
        "tags": {},
        "names": {KEY: "open"},
        "replaces": {},
        "lease_seconds": LEASE,
    }
    return Recorder(ledger=ledger, storage=storage, experiment_id=experiment, **{**given, **more})


@pytest.fixture
def recorder(record: Record, storage: Storage) -> Recorder:
    return recorder_of(record.open(), storage)


@pytest.fixture
def other(record: Record, storage: Storage, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """Of another driver, on another machine."""
    ledger = record.open()
    recorder = recorder_of(ledger, storage)
    there = f"elsewhere/1/1 {time.time():.3f}"
    ledger.tag_experiment(recorder.experiment_id, "driver.elsewhere", there)
    start = ledger.start_trial

    def start_elsewhere(*args: Any, **kwargs: Any) -> str:
        run_id = start(*args, **kwargs)
        ledger.client.set_tag(run_id, DRIVER, "elsewhere/1/1")
        return run_id

    monkeypatch.setattr(ledger, "start_trial", start_elsewhere)
    return recorder


def leave_outcome(storage: Storage) -> None:
    """As the worker does when the trial is done."""
    summary = {"metrics": {"test/bone/dsc": 0.5}, "stop_reason": "max_epochs"}
    storage.write(f"outcomes/{KEY}/summary.json", json.dumps({**summary, "history": HISTORY}).encode())
    storage.write(f"outcomes/{KEY}/scores.json", b"[]")
    save_checkpoint(storage, KEY, Checkpoint({}, HISTORY, 1.0))


def states(recorder: Recorder) -> list[str]:
    return [run.info.status for run in recorder.ledger.runs_of(KEY)]


def cut(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Makes the record unreachable; gives what makes it answer again."""
    client = recorder.ledger.client

    class Away:
        def __getattr__(self, name: str) -> Callable[..., None]:
            def fail(*args: object, **kwargs: object) -> None:
                raise MlflowException("connection refused")

            return fail

    monkeypatch.setattr("ablation.record.recorder.PAUSE_SECONDS", 0.0)
    monkeypatch.setattr("ablation.record.recorder.SHORTEST_PAUSE_SECONDS", 0.01)
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
    recorder = recorder_of(record.open(), storage, settings=settings)
    leave_outcome(storage)
    assert recorder.claim(TRIAL) is Claim.OURS
    assert recorder.finish(TRIAL)
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
    monkeypatch.setattr("ablation.record.recorder.EPOCHS_SECONDS", 0.0)
    recorder.log_epochs(KEY, epochs[2:3])
    monkeypatch.setattr("ablation.record.recorder.EPOCHS_SECONDS", 60.0)
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
    recorder.ledger.client.set_tag(run.info.run_id, HEARTBEAT, f"{time.time() - 2 * LEASE:.0f}")
    assert recorder.claim(TRIAL) is Claim.OURS
    assert states(recorder) == ["RUNNING"]
    recorder.fail(TRIAL, "ValueError: bad luck", "all of it")
    assert states(recorder) == ["FAILED"]
    assert other.claim(TRIAL) is Claim.OURS
    assert states(recorder) == ["RUNNING"]


@pytest.mark.parametrize("ours_is_lower", [True, False])
def test_of_two_claims_at_once_the_lower_run_stays(
    recorder: Recorder, other: Recorder, ours_is_lower: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both find nobody at work; each then sees the other's run."""
    start, start_other = recorder.ledger.start_trial, other.ledger.start_trial
    standing, claims = other._standing, []

    def both_start(*args: Any, **kwargs: Any) -> str:
        ours = start(*args, **kwargs)
        recorder.ledger.client.set_tag(ours, DRIVER, "a third machine/1/1")

        def start_in_order(*args: Any, **kwargs: Any) -> str:
            while ((theirs := start_other(*args, **kwargs)) > ours) is not ours_is_lower:
                other.ledger.remove(theirs)
            return theirs

        def look(key: str, ours: str | None = None) -> Claim:
            """Its first look came before our run was made."""
            return Claim.OURS if ours is None else standing(key, ours=ours)

        monkeypatch.setattr(other.ledger, "start_trial", start_in_order)
        monkeypatch.setattr(other, "_standing", look)
        claims.append(other.claim(TRIAL))
        return ours

    monkeypatch.setattr(recorder.ledger, "start_trial", both_start)
    claims.append(recorder.claim(TRIAL))
    assert claims == ([Claim.THEIRS, Claim.OURS] if ours_is_lower else [Claim.OURS, Claim.THEIRS])
    assert states(recorder) == ["RUNNING"]
    assert (recorder.holds(KEY), other.holds(KEY)) == (ours_is_lower, not ours_is_lower)


class Turns:
    """Two drivers ask the record in an order that a test decides."""

    def __init__(self, order: list[str]) -> None:
        self._order, self._over = order, set[str]()
        self._changed = threading.Condition()

    def take(self, who: str) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._next() in (who, ""))
            del self._order[:1]
            self._changed.notify_all()

    def end(self, who: str) -> None:
        with self._changed:
            self._over.add(who)
            self._changed.notify_all()

    def _next(self) -> str:
        while self._order and self._order[0] in self._over:
            del self._order[0]
        return self._order[0] if self._order else ""


class Memory:
    """A record that knows only what claims are about."""

    def __init__(self, who: Callable[[], str]) -> None:
        self._who = who
        self.turns = Turns([])
        self.tags: dict[str, str] = {}
        self.runs: dict[str, Any] = {}
        self._ids = iter(range(1000, 9999))

    def __getattribute__(self, name: str) -> Any:
        """Each request takes its turn."""
        found = object.__getattribute__(self, name)
        if callable(found) and not name.startswith("_"):
            self.turns.take(self._who())
        return found

    def experiment_tags(self) -> dict[str, dict[str, str]]:
        return {"1": dict(self.tags)}

    def tag_experiment(self, _: str, name: str, value: str) -> None:
        self.tags[name] = value

    def untag_experiment(self, _: str, name: str) -> None:
        del self.tags[name]

    def clear_unfinished(self, *_: Any) -> None:
        pass

    def others_at_work(self, _: float) -> bool:
        return any(run.data.tags[DRIVER][0] != self._who() for run in self.runs.values())

    def finished_runs(self, _: float) -> set[tuple[str, str]]:
        return set()

    def start_trial(self, *_: Any, **__: Any) -> str:
        number = next(self._ids)
        run_id = f"{number * 7919 % 10_007:05}"  # in no order
        tags = {DRIVER: f"{self._who()}/1/1", HEARTBEAT: f"{time.time():.3f}"}
        info = SimpleNamespace(run_id=run_id, status="RUNNING")
        self.runs[run_id] = SimpleNamespace(info=info, data=SimpleNamespace(tags=tags))
        return run_id

    def runs_of(self, _: str) -> list[Any]:
        return list(self.runs.values())

    def remove(self, run_id: str) -> None:
        self.runs.pop(run_id, None)


@pytest.mark.parametrize("asleep", [False, True], ids=["both new", "one back from a long sleep"])
def test_however_two_drivers_interleave_one_has_the_trial(
    asleep: bool, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = threading.local()
    for module in ("presence", "recorder"):
        monkeypatch.setattr(f"ablation.{module}.this_driver", lambda: f"{here.name}/1/1")
    draw = random.Random(0)
    for _ in range(400):
        memory = Memory(lambda: here.name)
        given: dict[str, Any] = {"ledger": memory, "experiment_id": "1", "parent": "", "settings": Settings()}
        given |= {"tags": {}, "names": {KEY: "open"}, "replaces": {}, "lease_seconds": LEASE}
        drivers = {name: Recorder(storage=storage, **given) for name in "AB"}
        claims: dict[str, Claim] = {}
        if asleep:
            here.name = "B"
            drivers["B"]._enter()
            memory.tags.update(dict.fromkeys(memory.tags, "B/1/1 0"))

        def work(name: str) -> None:
            here.name = name
            claims[name] = drivers[name].claim(TRIAL)  # noqa: B023
            memory.turns.end(name)  # noqa: B023

        memory.turns = Turns([draw.choice("AB") for _ in range(30)])
        threads = [threading.Thread(target=work, args=(name,)) for name in "AB"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        (run,) = memory.runs.values()
        owner = run.data.tags[DRIVER][0]
        assert claims[owner] is Claim.OURS
        assert drivers[owner].holds(KEY)


def test_a_trial_that_was_taken_over_is_not_written(
    recorder: Recorder, other: Recorder, storage: Storage
) -> None:
    recorder.claim(TRIAL)
    (run,) = recorder.ledger.runs_of(KEY)
    recorder.ledger.client.set_tag(run.info.run_id, DRIVER, "stalled/1/1")
    recorder.ledger.client.set_tag(run.info.run_id, HEARTBEAT, "0")
    assert other.claim(TRIAL) is Claim.OURS
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
    recorder: Recorder, storage: Storage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
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
    said = capsys.readouterr().err.splitlines()
    assert [line.partition(":")[0] for line in said] == [
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


def test_what_a_killed_driver_left_of_recorded_trials_is_removed(
    recorder: Recorder, other: Recorder, storage: Storage
) -> None:
    storage.write(f"outcomes/{KEY}/weights.safetensors", b"half removed")
    save_checkpoint(storage, KEY, Checkpoint({}, HISTORY, 1.0))
    save_checkpoint(storage, "another", Checkpoint({}, HISTORY, 1.0))
    other.claim(TRIAL)
    recorder.tidy([KEY])
    assert storage.names(f"outcomes/{KEY}"), "another driver runs it again"
    other.close("KILLED", "", patient=False)
    other.ledger.remove(other.ledger.runs_of(KEY)[0].info.run_id)
    recorder.tidy([KEY])
    assert storage.names(f"outcomes/{KEY}") == []
    assert storage.names("checkpoints") == ["checkpoints/another.safetensors"]


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
