"""The one writer of a sweep's trials: claims them, logs them, ends them, and clears up after them."""

import tempfile
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from ablation.names import (
    ENCODER_DIGEST,
    HARDWARE,
    PRECISION,
    PRUNED_SCORE,
    STOP_REASON,
    TOTAL_SECONDS,
    TRIAL_KEY,
)
from ablation.plan.plan import Trial
from ablation.plan.trial_result import TrialResult
from ablation.record.claims import Claim, TrialClaims
from ablation.record.delivery import Delivery
from ablation.record.epochs import Epochs
from ablation.record.ledger import Ledger
from ablation.record.leftovers import remove_leftovers, tidy
from ablation.record.runs import REFUSALS
from ablation.record.settings import SETTINGS_FILE, pack_settings, shortened_params
from ablation.store.outcome import fetch_outcome
from ablation.store.storage import Storage
from t1t2core.errors import InputError

DELIVERY_SECONDS = 600.0
"""How long, at the end of a sweep, the record is waited for."""


class UnansweredError(Exception):
    """The record cannot tell just now: it is to be asked again."""


class Recorder:
    """Writes trials; used by the thread that runs the sweep, but for the heartbeats.

    Args:
        parent: the plan's run.
        tags: that every trial of the run gets.
        names: of the trials, by key.
        replaces: runs that recorded the same keys before, where they are run again.
        lease_seconds: see `ablation.record.driver.is_live`.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        storage: Storage,
        experiment_id: str,
        parent: str,
        tags: Mapping[str, str],
        names: Mapping[str, str],
        replaces: Mapping[str, Run],
        lease_seconds: float,
    ) -> None:
        self.ledger, self.storage, self.parent = ledger, storage, parent
        self.names = dict(names)
        self._experiment_id, self._tags = experiment_id, tags
        self._replaced = {key: str(run.info.run_id) for key, run in replaces.items()}
        self._claims = TrialClaims(ledger, experiment_id, self.names, self._replaced, lease_seconds)
        self._delivery = Delivery(ledger.answers)
        self._epochs = Epochs(ledger)

    @property
    def undelivered(self) -> dict[str, str]:
        """Keys of trials whose end could not be recorded yet, and why."""
        return self._delivery.undelivered

    def claim(self, trial: Trial) -> Claim:
        """Open the trial's run, unless it is recorded or another driver is at work on it.

        Where two drivers claim a trial at once, the lower run id wins and the other run is removed. A
        record that does not answer settles nothing: the trial is run, and recorded when it answers.
        """
        key = trial.key
        self._claims.drop(key)
        self._epochs.forget(key)
        try:
            claim = self._hold(trial)
        except (MlflowException, OSError) as error:
            self._delivery.failed(error)
            return Claim.OURS
        if claim is Claim.RECORDED:
            # Another driver may have recorded and cleaned up while a worker of ours was still at it.
            self._delivery.do(lambda: self._tidy([key]))
        return claim

    def holds(self, key: str) -> bool:
        """Whether the trial's run is open."""
        return self._claims.run_of(key) is not None

    def beating(self) -> AbstractContextManager[None]:
        """Keep the claims of the trials under way alive."""
        return self._claims.beating()

    def log_epochs(self, key: str, history: list[dict[str, float]]) -> None:
        """Log the epochs that are not logged yet, several at once; what is missed comes with the end."""
        run_id = self._claims.run_of(key)
        self._epochs.add(key, history)
        if run_id is None or not self._epochs.are_due(key) or self._delivery.is_held_up:
            return
        try:
            self._epochs.deliver(run_id, key)
            self._delivery.answered()
        except (MlflowException, OSError) as error:
            self._delivery.failed(error)

    def finish(self, trial: Trial) -> bool:
        """Deliver what the worker left in storage, then remove it there; now or, if need be, later.

        False if another driver has taken the trial over: it records it.
        """
        at = time.time()
        self._do(lambda: self._finish(trial, at), trial.key)
        return not self._claims.has_lost(trial.key)

    def fail(self, trial: Trial, cause: str, traceback: str) -> None:
        """End the trial's run as FAILED."""
        self._do(lambda: self._fail(trial, cause, traceback), trial.key)

    def prune(self, trial: Trial, history: list[dict[str, float]], score: float, seconds: float) -> None:
        """End the run of a trial that was stopped early, with the score that it had."""
        at = time.time()
        self._do(lambda: self._prune(trial, history, score, seconds, at), trial.key)

    def tag(self, key: str, name: str, value: str) -> None:
        """Add to what is known of a trial under way."""
        if run_id := self._claims.run_of(key):
            self._do(lambda: self.ledger.tag(run_id, {name: value}), key)

    def result_of(self, trial: Trial) -> TrialResult:
        """What a recorded trial scored.

        Raises:
            UnansweredError: that cannot be asked just now, or its run is gone; it is to be claimed again.
        """
        key = trial.key
        try:
            runs = [run for run in self.ledger.runs_of(key) if run.info.status == "FINISHED"]
            new = [run for run in runs if run.info.run_id != self._replaced.get(key)]
            for found in self.ledger.records(new[:1]):
                return TrialResult(found.metrics, found.scores)
        except (MlflowException, OSError) as error:
            self._delivery.failed(error)
            raise UnansweredError(key) from error
        except InputError as error:  # its files cannot be read
            if self.ledger.answers():
                raise
            raise UnansweredError(key) from error
        self._claims.unrecord(key)
        raise UnansweredError(key)

    def add(self, names: Mapping[str, str]) -> None:
        """Take on further trials, with nothing left of them from a run that was broken off.

        Args:
            names: by key.
        """
        new = {key: name for key, name in names.items() if key not in self.names}
        self.names |= new
        self._delivery.do(lambda: self._tidy(new))
        self._delivery.do(lambda: self.ledger.clear_unfinished(new, self._claims.lease_seconds))

    def notes(self) -> Mapping[str, str]:
        """Tags of the plan's parent run."""
        tags: Mapping[str, str] = self.ledger.run(self.parent).data.tags
        return tags

    def note(self, name: str, value: str) -> None:
        """Write a tag of the plan's parent run."""
        self._delivery.do(lambda: self.ledger.tag(self.parent, {name: value}))

    def keep(self, name: str, content: bytes) -> None:
        """Put a file into the plan's parent run, over one of the same name."""
        self._delivery.do(lambda: self.ledger.keep_files(self.parent, {name: content}))

    def close(self, status: str, note: str, *, patient: bool) -> None:
        """Deliver what waits, end what is still under way as KILLED, then the parent run.

        Args:
            patient: waits for a record that does not answer.
        """
        self._delivery.do(self.ledger.stop_trials)
        self._delivery.do(lambda: self._tidy(self.names))
        self._delivery.do(lambda: self.ledger.close_plan(self.parent, status, note))
        self._delivery.do(self._claims.leave)
        self._delivery.wait_for_all(DELIVERY_SECONDS if patient else 0)

    def _hold(self, trial: Trial) -> Claim:
        return self._claims.claim(trial.key, lambda: self._start(trial))

    def _run_of(self, trial: Trial) -> str:
        """The trial's open run; a new one where the record did not answer when it was claimed."""
        key = trial.key
        if (run_id := self._claims.run_of(key)) is None:
            run_id = self._start(trial)
            self._claims.open(key, run_id)
        return run_id

    def _start(self, trial: Trial) -> str:
        params = {name: value for name, value in trial.factors.items() if value is not None}
        params |= shortened_params(trial.settings)
        key = trial.key
        own = {TRIAL_KEY: key, ENCODER_DIGEST: trial.encoder or "", PRECISION: trial.precision}
        tags = {**self._tags, **own}
        self._epochs.begin(key)
        return self.ledger.start_trial(
            self._experiment_id, self.parent, self.names[key], params=params, tags=tags
        )

    def _finish(self, trial: Trial, at: float) -> None:
        key = trial.key
        claim = Claim.OURS if self._claims.is_settled(key) else self._hold(trial)
        if claim is Claim.RECORDED:
            self._epochs.forget(key)
            return self._tidy([key])
        if claim is Claim.THEIRS:
            return self._claims.lose(key)
        with tempfile.TemporaryDirectory() as folder:
            summary = fetch_outcome(self.storage, key, Path(folder))
            # Among the other files it takes no request of its own, and only finished trials are read back.
            (Path(folder) / SETTINGS_FILE).write_bytes(pack_settings(trial.settings))
            self.ledger.finish_trial(
                self._run_of(trial),
                summary["metrics"],
                {name: summary[name] for name in (STOP_REASON, HARDWARE) if name in summary},
                Path(folder),
                at=at,
                history=self._epochs.new(key, summary["history"]),
            )
        if old := self._replaced.get(key):
            self.ledger.remove(old)
        self._claims.end(key, recorded=True)
        self._clean(key)
        return None

    def _prune(
        self, trial: Trial, history: list[dict[str, float]], score: float, seconds: float, at: float
    ) -> None:
        key, run_id = trial.key, self._run_of(trial)
        self._epochs.log(run_id, key, history)
        metrics = {PRUNED_SCORE: score, TOTAL_SECONDS: seconds}
        self.ledger.prune_trial(run_id, metrics, step=int(history[-1]["epoch"]), at=at)
        self._claims.end(key)
        self._clean(key)

    def _fail(self, trial: Trial, cause: str, traceback: str) -> None:
        key, run_id = trial.key, self._run_of(trial)
        self._epochs.deliver(run_id, key)
        self.ledger.fail_trial(run_id, cause, traceback)
        self._epochs.forget(key)
        self._claims.end(key)

    def _clean(self, key: str) -> None:
        self._epochs.forget(key)
        remove_leftovers(self.storage, key)

    def _tidy(self, keys: Collection[str]) -> None:
        """Clear up after recorded trials, but for what is still to be delivered.

        Nothing waits for it: what cannot be removed now is removed when the next sweep begins.
        """
        waiting = self.undelivered
        with suppress(MlflowException, OSError):
            tidy(self.ledger, self.storage, [key for key in keys if key not in waiting])

    def _do(self, work: Callable[[], object], key: str) -> None:
        """Write about a trial, unless another driver has taken it over: its end is not ours to write."""

        def write() -> None:
            try:
                work()
            except MlflowException as error:
                run_id = self._claims.run_of(key)
                if error.error_code not in REFUSALS or run_id is None or self.ledger.has_run(run_id):
                    raise
                self._claims.lose(key)

        self._delivery.do(write, key)
