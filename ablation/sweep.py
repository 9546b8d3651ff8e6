"""Ray Tune runs the trials of a plan; what they report goes to the record as it comes."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mlflow.entities import Run
from ray import tune
from ray.tune.experiment import Trial as TuneTrial

from ablation.ledger import Ledger
from ablation.outcome import fetch_outcome, has_outcome, remove_outcome
from ablation.plan import Trial
from ablation.progress import LiveLine
from ablation.storage import Storage
from ablation.trial import Shared, TrialRunner
from t1t2core.settings import Settings


@dataclass
class SweepResult:
    """How the trials ended.

    Args:
        finished: keys of those recorded now.
        failed: name and cause of those that were not.
        interrupted: the user stopped it.
    """

    finished: set[str] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)
    interrupted: bool = False


@dataclass(frozen=True)
class Recorder:
    """Writes trials into one plan's parent run.

    Args:
        tags: that every trial of the run gets.
        names: of the trials, by key.
        replaces: runs that recorded the same keys before, where they are run again.
    """

    ledger: Ledger
    storage: Storage
    experiment_id: str
    parent: str
    settings: Settings
    tags: dict[str, str]
    names: dict[str, str]
    replaces: Mapping[str, Run]

    def start(self, trial: Trial) -> str:
        """Opens the trial's run."""
        assert trial.key is not None
        params = {name: value for name, value in trial.factors.items() if value is not None}
        for group, values in asdict(self.settings).items():
            params |= {f"{group}.{name}": value for name, value in values.items()}
        tags = {**self.tags, "trial_key": trial.key, "encoder_digest": trial.encoder or ""}
        return self.ledger.start_trial(
            self.experiment_id, self.parent, self.names[trial.key], params=params, tags=tags
        )

    def finish(self, trial: Trial, run_id: str) -> None:
        """Delivers what the worker left in storage, then removes it there."""
        assert trial.key is not None
        with tempfile.TemporaryDirectory() as folder:
            summary = fetch_outcome(self.storage, trial.key, Path(folder))
            tags = {"stop_reason": summary["stop_reason"]}
            self.ledger.finish_trial(run_id, summary["metrics"], tags, Path(folder), step=summary["epochs"])
        if trial.key in self.replaces:
            self.ledger.remove(self.replaces[trial.key])
        remove_outcome(self.storage, trial.key)


class _Watch(tune.Callback):
    """Follows Tune: opens, feeds and closes runs, and keeps the live line true."""

    def __init__(
        self, trials: dict[str, Trial], recorder: Recorder, line: LiveLine, result: SweepResult
    ) -> None:
        self._trials, self._recorder, self._line, self._result = trials, recorder, line, result
        self.open: dict[str, str] = {}

    def __getstate__(self) -> dict[str, Any]:
        # Tune pickles its callbacks to restore an experiment; this one is never restored.
        return {}

    def on_trial_start(self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **_: Any) -> None:
        self.open[trial.trial_id] = self._recorder.start(self._planned(trial))
        self._line.running += 1
        self._line.show()

    def on_trial_result(
        self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, result: dict[str, Any], **_: Any
    ) -> None:
        metrics = dict(result["metrics"])
        if metrics:
            epoch = int(metrics.pop("epoch"))
            self._recorder.ledger.log(self.open[trial.trial_id], metrics, epoch)
        self._line.show()

    def on_trial_complete(self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **_: Any) -> None:
        # The run stays open until it is whole: Ctrl-C may come in between.
        self._recorder.finish(self._planned(trial), self.open[trial.trial_id])
        del self.open[trial.trial_id]
        self._result.finished.add(trial.config["key"])
        self._line.done += 1
        self._ended()

    def on_trial_error(self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **_: Any) -> None:
        cause = _last_line(trial)
        if run_id := self.open.pop(trial.trial_id, None):
            self._recorder.ledger.fail_trial(run_id, cause)
        self._result.failed[self._recorder.names[trial.config["key"]]] = cause
        self._line.failed += 1
        self._ended()

    def _planned(self, trial: TuneTrial) -> Trial:
        return self._trials[trial.config["key"]]

    def _ended(self) -> None:
        self._line.running -= 1
        self._line.show()


def run_sweep(
    trials: Sequence[Trial],
    shared: Shared,
    recorder: Recorder,
    request: dict[str, float],
    line: LiveLine,
    *,
    max_concurrent: int | None,
) -> SweepResult:
    """Runs the trials, as many at once as the resources allow, and records each as it ends.

    Args:
        request: processors and GPUs of a trial, as `ablation.cluster.request_of` gives it.
    """
    result = SweepResult()
    waiting = [trial for trial in trials if trial.key and has_outcome(recorder.storage, trial.key)]
    for trial in waiting:
        recorder.finish(trial, recorder.start(trial))
        result.finished.add(trial.key or "")
        line.done += 1
    to_run = [trial for trial in trials if trial not in waiting]
    if to_run:
        _tune(to_run, shared, request, max_concurrent, _Watch(shared.trials, recorder, line, result), result)
    return result


def _tune(
    trials: list[Trial],
    shared: Shared,
    request: dict[str, float],
    max_concurrent: int | None,
    watch: _Watch,
    result: SweepResult,
) -> None:
    runner = tune.with_resources(tune.with_parameters(TrialRunner, shared=shared), request)
    # Tune's own folder is of no use afterwards: results are in the record, resuming rests on keys.
    with tempfile.TemporaryDirectory(prefix="ablation-tune-") as folder:
        tuner = tune.Tuner(
            runner,
            param_space={"key": tune.grid_search([trial.key for trial in trials])},
            tune_config=tune.TuneConfig(
                reuse_actors=True,
                max_concurrent_trials=max_concurrent,
                trial_name_creator=_short_key,
                trial_dirname_creator=_short_key,
            ),
            run_config=tune.RunConfig(
                name="sweep",
                storage_path=folder,
                callbacks=[watch],
                verbose=0,
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                failure_config=tune.FailureConfig(max_failures=0),
            ),
        )
        try:
            tuner.fit()
        except KeyboardInterrupt:
            result.interrupted = True
        finally:
            for run_id in watch.open.values():
                watch._recorder.ledger.stop_trial(run_id)


def _short_key(trial: TuneTrial) -> str:
    return str(trial.config["key"])[:16]


def _last_line(trial: TuneTrial) -> str:
    text = Path(trial.error_file).read_text(encoding="utf-8") if trial.error_file else ""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "the worker was lost without a message"
