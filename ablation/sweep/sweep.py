"""Ray Tune runs the trials of a plan; what they report goes to the record as it comes."""

import gc
import tempfile
import time
from dataclasses import dataclass, field
from typing import Any

from ray import tune
from ray.tune.experiment import Trial as TuneTrial

from ablation.names import OUT_OF_MEMORY
from ablation.plan.plan import Trial
from ablation.plan.resources import TrialResources
from ablation.record.recorder import Recorder
from ablation.search.budget import Spending
from ablation.search.source import Source
from ablation.space.resources import Recovery
from ablation.sweep.early_stop import FoldByFold
from ablation.sweep.failures import Failures, Verdict, read_failure
from ablation.sweep.feed import Feed
from ablation.sweep.progress import Progress
from ablation.sweep.scheduler import InOrder
from ablation.worker.trial import SCORE, Shared, TrialRunner


@dataclass
class Endings:
    """Endings of the trials of a sweep.

    Args:
        finished: keys of those that this run trained to an end.
        reused: keys of those that were recorded by others meanwhile.
        failed: name and cause of those that failed.
        pruned: keys of those that were stopped early by rule.
        not_started: names of those that were never run to an end.
        seconds: that the sweep took.
        stopped: why the sweep was ended early.
        spent: what was spent of a budget that was used up; empty where it was not.
        interrupted: the user stopped it.
        parent: the plan's run in the record; empty where none was opened.
    """

    finished: set[str] = field(default_factory=set)
    reused: set[str] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)
    pruned: set[str] = field(default_factory=set)
    not_started: list[str] = field(default_factory=list)
    stopped: str = ""
    spent: str = ""
    interrupted: bool = False
    parent: str = ""
    seconds: float = 0.0


class _Watch(tune.Callback):
    """A callback of Tune that records what trials report, decides about failures and tells the progress."""

    def __init__(
        self, recorder: Recorder, feed: Feed, recovery: Recovery, progress: Progress, result: Endings
    ) -> None:
        self._recorder, self._feed = recorder, feed
        self._failures = Failures(recovery)
        self._progress, self._result = progress, result

    def __getstate__(self) -> dict[str, Any]:
        # Tune pickles its callbacks to restore an experiment; this one is never restored.
        return {}

    def on_trial_start(self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **_: Any) -> None:
        self._progress.running += 1
        self._progress.show()

    def on_trial_result(
        self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, result: dict[str, Any], **_: Any
    ) -> None:
        if not result["done"]:  # else they are recorded with the trial's end
            self._recorder.log_epochs(trial.config["key"], result["history"])
        self._progress.show()

    def on_trial_complete(self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **_: Any) -> None:
        key = trial.config["key"]
        self._failures.succeeded()
        self._progress.running -= 1
        if trial.last_result["over"]:
            self._finish(self._feed.trial(key))
        else:
            self._prune(self._feed.trial(key), trial.last_result)
        # Tune keeps the last values of each metric of all its trials, 35 KB a trial, in case it is asked.
        trial.metric_analysis.clear()
        trial.metric_n_steps.clear()
        self._progress.show()

    def _finish(self, trial: Trial) -> None:
        key = trial.key
        if self._feed.deliver(trial):
            self._feed.ended(key)
            self._result.finished.add(key)
            self._progress.done += 1
        else:
            self._feed.again(trial)

    def _prune(self, trial: Trial, result: dict[str, Any]) -> None:
        """Record a trial that the scheduler has stopped."""
        key = trial.key
        self._recorder.prune(trial, result["history"], result[SCORE], result["seconds"])
        self._feed.ended(key)
        self._feed.source.pruned(trial, result[SCORE])
        self._result.pruned.add(key)
        self._progress.done += 1

    def on_trial_error(self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **_: Any) -> None:
        key, gpus = trial.config["key"], trial.config["gpu"]
        failure = read_failure(trial)
        verdict = self._failures.judge(key, failure, gpus)
        if verdict is Verdict.GIVE_UP:
            self._recorder.fail(self._feed.trial(key), failure.cause, failure.traceback)
            self._feed.source.failed(self._feed.trial(key))
            self._result.failed[self._recorder.names[key]] = failure.cause
            self._progress.failed += 1
            self._feed.ended(key)
            if reason := self._failures.given_up(failure):
                self._result.stopped = reason
                self._feed.stop()
        elif verdict is Verdict.WITH_MORE_OF_THE_GPU:
            more = min(1.0, 2 * gpus)
            self._recorder.tag(key, OUT_OF_MEMORY, f"with {gpus:g} of a GPU, tried again with {more:g}")
            self._feed.again(self._feed.trial(key), more)
        elif verdict is Verdict.STOP:
            self._result.stopped = failure.cause
            self._feed.again(self._feed.trial(key))
            self._feed.stop()
        else:
            self._feed.again(self._feed.trial(key))
        self._progress.running -= 1
        self._progress.show()


def run_sweep(
    source: Source,
    shared: Shared,
    recorder: Recorder,
    resources: TrialResources,
    recovery: Recovery,
    progress: Progress,
    *,
    slots: int,
    spending: Spending,
) -> Endings:
    """Run the trials that the source gives and record each as it ends.

    Args:
        resources: that each trial asks for.
        slots: trials at once.
        spending: ends the sweep once all is spent.
    """
    result = Endings()
    started = time.monotonic()

    def recorded(trial: Trial, here: bool) -> None:
        (result.finished if here else result.reused).add(trial.key)
        progress.done += 1

    feed = Feed(source, spending, recorder, resources, recorded)
    watch = _Watch(recorder, feed, recovery, progress, result)
    # What is there now stays to the end: Python need not look through all of it for garbage, again and again.
    gc.freeze()
    with recorder.beating():
        try:
            _tune(shared, feed, watch, slots)
        except KeyboardInterrupt:
            result.interrupted = True
    result.spent = str(spending) if spending.is_spent else ""
    result.seconds = time.monotonic() - started
    result.not_started = [recorder.names[trial.key] for trial in feed.left()]
    return result


def _tune(shared: Shared, feed: Feed, watch: _Watch, slots: int) -> None:
    runner = tune.with_parameters(TrialRunner, shared=shared)
    # Tune's own folder is of no use afterwards: results are in the record, resuming rests on keys.
    with tempfile.TemporaryDirectory(prefix="ablation-tune-") as folder:
        tune.Tuner(
            runner,
            tune_config=tune.TuneConfig(
                search_alg=feed,
                scheduler=InOrder() if shared.objective is None else FoldByFold(),
                num_samples=-1,
                max_concurrent_trials=slots,
                reuse_actors=True,
            ),
            run_config=tune.RunConfig(
                name="sweep",
                storage_path=folder,
                callbacks=[watch],
                verbose=0,
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                # The feed hands a trial out again; Tune itself would count lost machines as failures.
                failure_config=tune.FailureConfig(max_failures=0),
            ),
        ).fit()
