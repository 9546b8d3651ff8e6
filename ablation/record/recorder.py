"""Writes the trials of a sweep into the record, and keeps what the record cannot take now until it can."""

import logging
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import partial
from pathlib import Path

from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import (
    INVALID_PARAMETER_VALUE,
    INVALID_STATE,
    RESOURCE_DOES_NOT_EXIST,
    ErrorCode,
)

from ablation.plan.plan import Trial
from ablation.plan.trial_result import TrialResult
from ablation.record.driver import DRIVER, is_live, this_driver
from ablation.record.ledger import Ledger, Measured
from ablation.record.presence import Presence
from ablation.record.settings import SETTINGS_FILE, pack_settings, shortened_params
from ablation.store.checkpoints import checkpointed, remove_checkpoint
from ablation.store.outcome import FOLDER as OUTCOMES
from ablation.store.outcome import fetch_outcome, remove_outcome
from ablation.store.storage import Storage, first_line
from t1t2core.settings import Settings

log = logging.getLogger(__name__)

BEATS_A_LEASE = 4
"""Heartbeats within a lease: some may be late."""
PAUSE_SECONDS = 15.0
"""Before a record that did not answer is asked again; each asking holds up the sweep for seconds."""
REFUSALS = [
    ErrorCode.Name(code) for code in (INVALID_PARAMETER_VALUE, INVALID_STATE, RESOURCE_DOES_NOT_EXIST)
]
"""Answers of a record to what is written to a run that was removed."""
SHORTEST_PAUSE_SECONDS = 1.0
EPOCHS_SECONDS = 5.0
"""Between two deliveries of a trial's epochs: each takes tens of milliseconds, some epochs little longer."""
DELIVERY_SECONDS = 600.0
"""How long, at the end of a sweep, the record is waited for."""


class Claim(Enum):
    """Whose trial it is."""

    OURS = auto()
    THEIRS = auto()
    RECORDED = auto()


@dataclass
class Recorder:
    """The one writer of trials; used by the thread that runs the sweep, but for the heartbeats.

    Args:
        tags: that every trial of the run gets.
        names: of the trials, by key.
        replaces: runs that recorded the same keys before, where they are run again.
        lease_seconds: see `ablation.record.driver.is_live`.
    """

    ledger: Ledger
    storage: Storage
    experiment_id: str
    parent: str
    settings: Settings
    tags: dict[str, str]
    names: dict[str, str]
    replaces: Mapping[str, Run]
    lease_seconds: float
    _presence: Presence | None = None
    _recorded: set[str] = field(default_factory=set)
    _open: dict[str, str] = field(default_factory=dict)
    _unsettled: set[str] = field(default_factory=set)
    _epochs: dict[str, int] = field(default_factory=dict)
    _waiting: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    _logged_at: dict[str, float] = field(default_factory=dict)
    _later: list[tuple[str, Callable[[], object]]] = field(default_factory=list)
    _lost: set[str] = field(default_factory=set)
    _asked_again_at: float = 0.0
    _is_away: bool = False
    _cause: str = ""

    @property
    def undelivered(self) -> dict[str, str]:
        """Keys of trials whose end could not be recorded yet, and why."""
        return {key: self._cause for key, _ in self._later if key}

    def claim(self, trial: Trial) -> Claim:
        """Opens the trial's run, unless it is recorded or another driver is at work on it.

        Where two drivers claim a trial at once, the lower run id wins and the other run is removed. A
        record that does not answer settles nothing: the trial is run, and recorded when it answers.
        """
        self._open.pop(_key(trial), None)
        self._forget_epochs(_key(trial))
        try:
            return self._hold(trial)
        except (MlflowException, OSError) as error:
            self._wait(error)
            return Claim.OURS

    def log_epochs(self, key: str, history: list[dict[str, float]]) -> None:
        """Logs the epochs that are not logged yet, several at once; what is missed comes with the end."""
        run_id, now = self._open.get(key), time.monotonic()
        waiting = self._waiting.setdefault(key, [])
        waiting += history
        soon = now < self._logged_at.setdefault(key, now) + EPOCHS_SECONDS
        if run_id is None or soon or self._later or now < self._asked_again_at:
            return
        try:
            self._log(run_id, key, waiting)
            self._logged_at[key] = now
            waiting.clear()
            self._answered()
        except (MlflowException, OSError) as error:
            self._wait(error)

    def finish(self, trial: Trial) -> bool:
        """Delivers what the worker left in storage, then removes it there; now or, if need be, later.

        False if another driver has taken the trial over: it records it.
        """
        at = time.time()
        self._do(lambda: self._finish(trial, at), _key(trial))
        return _key(trial) not in self._lost

    def fail(self, trial: Trial, cause: str, traceback: str) -> None:
        """Ends the trial's run as FAILED."""
        self._do(lambda: self._fail(trial, cause, traceback), _key(trial))

    def prune(self, trial: Trial, history: list[dict[str, float]], score: float, seconds: float) -> None:
        """Ends the run of a trial that was stopped early, with the score that it had."""
        at = time.time()
        self._do(lambda: self._prune(trial, history, score, seconds, at), _key(trial))

    def add(self, names: Mapping[str, str]) -> None:
        """Takes on further trials, with nothing left of them from a run that was broken off.

        Args:
            names: by key.
        """
        new = {key: name for key, name in names.items() if key not in self.names}
        self.names |= new
        self._do(lambda: self.ledger.clear_unfinished(new, self.lease_seconds))

    def note(self, name: str, value: str) -> None:
        """Writes a tag of the plan's parent run."""
        self._do(lambda: self.ledger.client.set_tag(self.parent, name, value))

    def keep(self, name: str, content: bytes) -> None:
        """Puts a file into the plan's parent run, over one of the same name."""
        self._do(lambda: self.ledger.keep_files(self.parent, {name: content}))

    def result_of(self, trial: Trial) -> TrialResult | None:
        """What a trial scored by the record; None where that cannot be asked just now."""
        try:
            finished = [run for run in self.ledger.runs_of(_key(trial)) if run.info.status == "FINISHED"]
            return next((TrialResult(r.metrics, r.scores) for r in self.ledger.records(finished)), None)
        except (MlflowException, OSError) as error:
            self._wait(error)
            return None

    def tidy(self, recorded: Collection[str]) -> None:
        """Removes what is left in storage of recorded trials: a driver was killed before it could.

        Args:
            recorded: keys of trials.
        """
        left = {name for name in self.storage.folders(OUTCOMES) if self.storage.names(f"{OUTCOMES}/{name}")}
        left |= set(checkpointed(self.storage))
        for key in left & set(recorded):
            if all(run.info.status != "RUNNING" for run in self.ledger.runs_of(key)):
                self._clean(key)

    def tag(self, key: str, name: str, value: str) -> None:
        """Adds to what is known of a trial under way."""
        if run_id := self._open.get(key):
            self._do(lambda: self.ledger.client.set_tag(run_id, name, value), key)

    def holds(self, key: str) -> bool:
        """Whether the trial's run is open."""
        return key in self._open

    def close(self, status: str, note: str, *, patient: bool) -> None:
        """Delivers what waits, ends what is still under way as KILLED, then the parent run.

        Args:
            patient: waits for a record that does not answer.
        """
        self._do(self.ledger.stop_trials)
        self._do(lambda: self.ledger.close_plan(self.parent, status, note))
        if self._presence:
            self._do(self._presence.leave)
        gives_up = time.monotonic() + (DELIVERY_SECONDS if patient else 0)
        while self._later and time.monotonic() < gives_up:
            time.sleep(max(SHORTEST_PAUSE_SECONDS, self._asked_again_at - time.monotonic()))
            self._retry()

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Keeps the claims of the trials under way alive."""
        over = threading.Event()
        thread = threading.Thread(target=self._beat, args=(over,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _beat(self, over: threading.Event) -> None:
        while not over.wait(self.lease_seconds / BEATS_A_LEASE):
            beats: list[Callable[[], None]] = [self._presence.renew] if self._presence else []
            beats += [partial(self.ledger.beat, run_id) for run_id in list(self._open.values())]
            for beat in beats:
                # The next beat may get through; a run that was taken away is met at its end.
                with suppress(MlflowException, OSError):
                    beat()

    def _enter(self) -> Presence:
        """Makes this driver known, once, before it claims anything, and learns what is done."""
        if self._presence is None:
            presence = Presence(self.ledger, self.experiment_id, self.lease_seconds)
            self.ledger.clear_unfinished(self.names, self.lease_seconds)
            finished = self.ledger.finished_runs(self.lease_seconds)
            self._recorded = {key for key, run_id in finished if run_id != self._old(key)}
            self._presence = presence
        return self._presence

    def _hold(self, trial: Trial) -> Claim:
        """Sees to it that the trial's run is open and nobody else's; what cannot be asked stays unsettled."""
        key, presence = _key(trial), self._enter()
        careful = key in self._unsettled or not presence.alone
        self._unsettled.add(key)
        if key not in self._open:
            known = Claim.RECORDED if key in self._recorded else Claim.OURS
            claim = self._standing(key) if careful else known
            if claim is not Claim.OURS:
                self._unsettled.discard(key)
                return claim
            self._open[key] = self._start(trial)
            self._lost.discard(key)
        claim = Claim.OURS
        if not presence.look() or careful:
            claim = self._standing(key, ours=self._open[key])
        if claim is not Claim.OURS:
            self.ledger.remove(self._open.pop(key))
        self._unsettled.discard(key)
        return claim

    def _standing(self, key: str, ours: str | None = None) -> Claim:
        """Whose the trial is by what the record says; runs that failed or were left are removed."""
        self._enter().renew()
        others = [run for run in self.ledger.runs_of(key) if run.info.run_id not in (ours, self._old(key))]
        if any(run.info.status == "FINISHED" for run in others):
            return Claim.RECORDED
        for run in others:
            elsewhere = run.info.status == "RUNNING" and run.data.tags.get(DRIVER) != this_driver()
            live = elsewhere and is_live(run.data.tags, self.lease_seconds)
            if live and (ours is None or run.info.run_id < ours):
                return Claim.THEIRS
            self.ledger.remove(run.info.run_id)
        return Claim.OURS

    def _old(self, key: str) -> str | None:
        """The run that this run of the trial replaces."""
        return self.replaces[key].info.run_id if key in self.replaces else None

    def _start(self, trial: Trial) -> str:
        params = {name: value for name, value in trial.factors.items() if value is not None}
        params |= shortened_params(self.settings)
        tags = {**self.tags, "trial_key": _key(trial), "encoder_digest": trial.encoder or ""}
        name = self.names[_key(trial)]
        self._epochs.pop(_key(trial), None)
        return self.ledger.start_trial(self.experiment_id, self.parent, name, params=params, tags=tags)

    def _log(self, run_id: str, key: str, history: list[dict[str, float]]) -> None:
        if new := self._new(key, history):
            self.ledger.log(run_id, new)
            self._epochs[key] = new[-1].step

    def _new(self, key: str, history: list[dict[str, float]]) -> list[Measured]:
        """The epochs that are not logged yet."""
        epochs = [dict(metrics) for metrics in history]
        measured = [Measured(one, int(one.pop("epoch")), one.pop("at")) for one in epochs]
        return [one for one in measured if one.step > self._epochs.get(key, 0)]

    def _finish(self, trial: Trial, at: float) -> None:
        key = _key(trial)
        is_settled = key in self._open and key not in self._unsettled
        claim = Claim.OURS if is_settled else self._hold(trial)
        if claim is Claim.RECORDED:
            return self._clean(key)
        if claim is Claim.THEIRS:
            self._lost.add(key)
            return None
        run_id = self._open[key]
        with tempfile.TemporaryDirectory() as folder:
            summary = fetch_outcome(self.storage, key, Path(folder))
            # Among the other files it takes no request of its own, and only finished trials are read back.
            (Path(folder) / SETTINGS_FILE).write_bytes(pack_settings(self.settings))
            self.ledger.finish_trial(
                run_id,
                summary["metrics"],
                {"stop_reason": summary["stop_reason"]},
                Path(folder),
                at=at,
                history=self._new(key, summary["history"]),
            )
        if (old := self._old(key)) and self.ledger.has_run(old):
            self.ledger.remove(old)
        self._recorded.add(key)
        del self._open[key]
        self._clean(key)
        return None

    def _prune(
        self, trial: Trial, history: list[dict[str, float]], score: float, seconds: float, at: float
    ) -> None:
        key = _key(trial)
        if key not in self._open:
            self._open[key] = self._start(trial)
        self._log(self._open[key], key, history)
        metrics = {"pruned/score": score, "time/total_seconds": seconds}
        self.ledger.prune_trial(self._open[key], metrics, step=int(history[-1]["epoch"]), at=at)
        del self._open[key]
        self._clean(key)

    def _forget_epochs(self, key: str) -> None:
        """Those that wait."""
        self._waiting.pop(key, None)
        self._logged_at.pop(key, None)

    def _clean(self, key: str) -> None:
        self._forget_epochs(key)
        remove_outcome(self.storage, key)
        remove_checkpoint(self.storage, key)

    def _fail(self, trial: Trial, cause: str, traceback: str) -> None:
        key = _key(trial)
        if key not in self._open:
            self._open[key] = self._start(trial)
        self._log(self._open[key], key, self._waiting.get(key, []))
        self.ledger.fail_trial(self._open[key], cause, traceback)
        self._forget_epochs(key)
        del self._open[key]

    def _do(self, work: Callable[[], object], key: str = "") -> None:
        """Now if the record answers, in its turn later if not."""
        self._later.append((key, work))
        if time.monotonic() >= self._asked_again_at:
            self._retry()

    def _retry(self) -> None:
        """Does what waits; what fails waits on, and the rest too where the record does not answer at all."""
        failed: list[tuple[str, Callable[[], object]]] = []
        while self._later:
            key, work = self._later.pop(0)
            try:
                self._deliver(key, work)
            except (MlflowException, OSError) as error:
                failed.append((key, work))
                self._wait(error)
                if not self.ledger.answers():
                    break
        self._later = failed + self._later
        self._answered()

    def _deliver(self, key: str, work: Callable[[], object]) -> None:
        """Does it, unless another driver has taken the trial over: its end is not ours to write."""
        try:
            work()
        except MlflowException as error:
            if error.error_code not in REFUSALS or key not in self._open:
                raise
            if self.ledger.has_run(self._open[key]):
                raise
            del self._open[key]
            self._lost.add(key)

    def _wait(self, error: Exception) -> None:
        """Leaves the record alone for a while, unless it has answered: that a run is no longer there."""
        self._cause = first_line(error)
        if isinstance(error, MlflowException) and error.error_code in REFUSALS:
            return
        if not self._is_away:
            log.info(f"not recorded yet: {self._cause}; trials go on, their results wait")
        self._is_away = True
        self._asked_again_at = time.monotonic() + PAUSE_SECONDS

    def _answered(self) -> None:
        if self._is_away and not self._later:
            log.info("all is recorded again")
            self._is_away = False


def _key(trial: Trial) -> str:
    assert trial.key is not None
    return trial.key
