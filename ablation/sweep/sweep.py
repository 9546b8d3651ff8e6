"""Ray Tune runs the trials of a plan, and pretrains their networks; what is reported goes to the record."""

import gc
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ray import tune
from ray.tune.experiment import Trial as TuneTrial

from ablation.names import OUT_OF_MEMORY
from ablation.plan.plan import Network, PlannedTrial, Trial
from ablation.plan.resources import Room
from ablation.record.recorder import Recorder
from ablation.search.budget import Spending
from ablation.search.source import Source
from ablation.space.resources import Recovery
from ablation.sweep.early_stop import FoldByFold
from ablation.sweep.failures import Failure, Failures, Verdict, read_failure
from ablation.sweep.feed import Feed, Item
from ablation.sweep.networks import Networks, failure_of
from ablation.sweep.progress import Progress
from ablation.sweep.scheduler import InOrder
from ablation.worker.runner import Runner
from ablation.worker.trial import SCORE, Shared


@dataclass
class Endings:
    """Endings of the trials of a sweep.

    Args:
        finished: keys of those that this run trained to an end.
        reused: keys of those that were recorded by others meanwhile.
        failed: name and cause of those that failed.
        pruned: names of those that were stopped early by rule.
        not_started: trials that were never run to an end.
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
    not_started: int = 0
    stopped: str = ""
    spent: str = ""
    interrupted: bool = False
    parent: str = ""
    seconds: float = 0.0


class _Watch(tune.Callback):
    """A callback of Tune that records what is reported, decides about failures and tells the progress."""

    def __init__(
        self,
        recorder: Recorder,
        networks: Networks,
        feed: Feed,
        recovery: Recovery,
        progress: Progress,
        result: Endings,
        name: Callable[[PlannedTrial], str],
    ) -> None:
        self._recorder, self._networks, self._feed = recorder, networks, feed
        self._failures = Failures(recovery)
        self._progress, self._result, self._name = progress, result, name

    def __getstate__(self) -> dict[str, Any]:
        # Tune pickles its callbacks to restore an experiment; this one is never restored.
        return {}

    def on_step_begin(self, iteration: int, trials: list[TuneTrial], **_: Any) -> None:
        self._networks.beat()

    def on_trial_start(self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **_: Any) -> None:
        self._progress.running += 1
        self._progress.show()

    def on_trial_result(
        self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, result: dict[str, Any], **_: Any
    ) -> None:
        item = self._feed.item(trial.config["key"])
        if isinstance(item, Network):
            self._networks.follow(item.recipe, result["history"])
        elif not result["done"]:  # else they are recorded with the trial's end
            self._recorder.log_epochs(item.key, result["history"])
        self._progress.show()

    def on_trial_complete(self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **_: Any) -> None:
        item = self._feed.item(trial.config["key"])
        self._failures.succeeded()
        self._progress.running -= 1
        if isinstance(item, Network):
            self._feed.deliver_network(item)
            self._feed.ended(item.key)
            self._progress.networks += 1
        elif trial.last_result["over"]:
            self._finish(item)
        else:
            self._prune(item, trial.last_result)
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
        self._result.pruned.add(self._recorder.names[key])
        self._progress.done += 1

    def on_trial_error(self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **_: Any) -> None:
        item, gpus = self._feed.item(trial.config["key"]), trial.config["gpu"]
        failure = read_failure(trial)
        verdict = self._failures.judge(item.key, failure, gpus)
        if verdict is Verdict.GIVE_UP:
            self._give_up(item, failure)
        elif verdict is Verdict.WITH_MORE_OF_THE_GPU:
            more = min(1.0, 2 * gpus)
            self._recorder.tag(item.key, OUT_OF_MEMORY, f"with {gpus:g} of a GPU, tried again with {more:g}")
            self._feed.again(item, more)
        elif verdict is Verdict.STOP:
            self._result.stopped = failure.cause
            self._feed.again(item)
            self._feed.stop()
        else:
            self._feed.again(item)
        self._progress.running -= 1
        self._progress.show()

    def _give_up(self, item: Item, failure: Failure) -> None:
        """Record a failure that is for good; without its pretrained network no trial can be run."""
        if isinstance(item, Network):
            self._networks.fail(item.recipe, failure.cause, failure.traceback)
            cause = failure_of(item.recipe, failure.cause)
            lost = [self._name(trial) for trial in self._feed.source.lost(item)]
        else:
            self._recorder.fail(item, failure.cause, failure.traceback)
            self._feed.source.failed(item)
            cause, lost = failure.cause, [self._recorder.names[item.key]]
        self._result.failed |= dict.fromkeys(lost, cause)
        self._progress.failed += len(lost)
        self._feed.ended(item.key)
        if reason := self._failures.given_up(failure):
            self._result.stopped = reason
            self._feed.stop()


def run_sweep(
    source: Source,
    shared: Shared,
    recorder: Recorder,
    networks: Networks,
    room: Room,
    recovery: Recovery,
    progress: Progress,
    *,
    spending: Spending,
    name: Callable[[PlannedTrial], str],
) -> Endings:
    """Run what the source gives, and record each as it ends.

    Args:
        spending: ends the sweep once all is spent.
        name: of trials that could not be started.
    """
    result = Endings()
    started = time.monotonic()

    def recorded(item: Item, here: bool) -> None:
        if isinstance(item, Network):
            progress.networks += 1
            return
        (result.finished if here else result.reused).add(item.key)
        progress.done += 1

    feed = Feed(source, spending, recorder, networks, room, recorded)
    watch = _Watch(recorder, networks, feed, recovery, progress, result, name)
    # What is there now stays to the end: Python need not look through all of it for garbage, again and again.
    gc.freeze()
    with recorder.beating():
        try:
            _tune(shared, feed, watch, room.slots)
        except KeyboardInterrupt:
            result.interrupted = True
        finally:
            networks.stop()
    result.spent = str(spending) if spending.is_spent else ""
    result.seconds = time.monotonic() - started
    result.not_started = len(feed.left())
    return result


def _tune(shared: Shared, feed: Feed, watch: _Watch, slots: int) -> None:
    runner = tune.with_parameters(Runner, shared=shared)
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
