"""`python -m tests.benchmarks.scale --trials 1000 --nodes 3`: what planning, scheduling and recording cost.

The trials compute nothing, but report an epoch and leave a summary and scores; all else is the product's own:
the plan, Ray Tune, the record. The nodes of the cluster are all on this machine.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

from ray import tune
from ray.cluster_utils import Cluster

from ablation.plan.plan import Trial, make_plan, recipes_of
from ablation.plan.resources import Room, TrialResources
from ablation.plan.study import Study
from ablation.record.ledger import Ledger
from ablation.record.pretraining import PretrainingRecord
from ablation.record.recorder import Recorder
from ablation.search.budget import Spending
from ablation.search.source import Listed
from ablation.space.arm import Arm
from ablation.space.naming import trial_names
from ablation.space.points import Point, expand
from ablation.space.resources import Recovery
from ablation.space.search_settings import Budget
from ablation.space.space import Space
from ablation.store.outcome import FOLDER, SUMMARY
from ablation.store.pretrained import EncoderStore
from ablation.store.storage import Storage
from ablation.sweep import sweep
from ablation.sweep.cluster import connect
from ablation.sweep.networks import Networks
from ablation.sweep.progress import Progress, log_now_and_then
from ablation.sweep.workspace import NO_SPACE
from ablation.worker.memory import peak_mb
from ablation.worker.runner import Runner
from ablation.worker.trial import Shared
from t1t2core.cohort.roles import FoldSplit, Roles
from t1t2core.presets import PRESETS
from t1t2core.training.compute import Device

T = TypeVar("T")

FOLDS = 3
PATIENTS = tuple(f"sub-{number:02d}" for number in range(20))
SETTINGS = PRESETS["paper"]
CLASSES = ("bone", "soft_tissue", "air", "internal_air")
PREFIXES = ("best_validation", "test", "test_last")
SCORES = ("dsc", "sensitivity", "precision")
TIMES = ("time/epochs", "time/seconds_per_epoch", "time/total_seconds", "time/standalone_seconds")
METRICS = [f"{prefix}/{name}/{score}" for prefix in PREFIXES for name in CLASSES for score in SCORES]
"""As many numbers as a real trial records."""
DIGEST = "encoder"
WORKERS = "workers"
"""Folder in storage with a file a worker that has started."""
POLL_SECONDS = 0.05


@dataclass(frozen=True)
class SharedByAll(Shared):
    """What trials read, and how many workers there are."""

    workers: int = field(kw_only=True)


class NoTrial(tune.Trainable):
    """Stands in for `Runner`: one epoch in no time."""

    @classmethod
    def default_resource_request(cls, config: dict[str, Any]) -> tune.PlacementGroupFactory:
        return Runner.default_resource_request(config)

    def setup(self, config: dict[str, Any], shared: SharedByAll) -> None:  # type: ignore[override]
        """The first trial of each worker lasts until all workers are there, as real ones do."""
        self._shared, self._store = shared, Storage(shared.storage)
        self._config = config
        self._store.write(f"{WORKERS}/{os.getpid()}", b"")
        while len(self._store.names(WORKERS)) < shared.workers:
            time.sleep(POLL_SECONDS)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._config = new_config
        return True

    def step(self) -> dict[str, Any]:
        history = leave_outcome(self._store, self._config["key"])
        return {"history": history, "done": True, "over": True}


def leave_outcome(store: Storage, key: str) -> list[dict[str, float]]:
    """Leave in storage what a trial of one epoch leaves, without its weights. Gives its history."""
    epoch = {"epoch": 1, "at": time.time(), "train/loss": 0.5, "train/accuracy": 0.5}
    metrics = dict.fromkeys([*METRICS, *TIMES, "memory/peak_mb"], 0.5)
    summary = {"metrics": metrics, "stop_reason": "max_epochs", "history": [epoch]}
    for name, content in ((SUMMARY, summary), ("scores.json", [])):
        store.write(f"{FOLDER}/{key}/{name}", json.dumps(content).encode())
    return [epoch]


@dataclass
class Figures:
    """Of one measurement: seconds by the clock and of the driver's processor time, by what was done."""

    seconds: dict[str, float] = field(default_factory=dict)
    processor: dict[str, float] = field(default_factory=dict)
    begun: dict[str, float] = field(default_factory=dict)

    def timed(self, name: str, work: Callable[[], T]) -> T:
        """Does the work and notes what it took."""
        self.begun[name] = time.time()
        started, before = time.perf_counter(), time.process_time()
        try:
            return work()
        finally:
            self.seconds[name] = time.perf_counter() - started
            self.processor[name] = time.process_time() - before


def space_of(trials: int) -> Space:
    """A space of so many points: the study's arms with as many seeds as it takes."""
    per_seed = 12 * FOLDS
    common: dict[str, Any] = {
        "t2_train_size": (2, 8),
        "learning_rate": (1e-3,),
        "folds": tuple(range(1, FOLDS + 1)),
        "seeds": tuple(range(trials // per_seed + 1)),
        "pretraining_seeds": (0,),
    }
    conservative = Arm(strategy="conservative", tuned_layers=(3, 6, 9, 12, 15), fusion=None, **common)
    return replace(
        NO_SPACE,
        name="scale",
        arms=(conservative, Arm(strategy="scratch", tuned_layers=None, fusion=None, **common)),
    )


def study() -> Study:
    """Three folds of twenty patients at the paper's settings."""
    splits = []
    for fold in range(1, FOLDS + 1):
        order = PATIENTS[4 * fold :] + PATIENTS[: 4 * fold]
        roles = Roles(training=order[:12], validation=order[12:15], test=order[15:])
        splits.append(FoldSplit(fold, t1=roles, t2=roles))
    device = Device(kind="cpu", bfloat16=False)
    return Study(settings=SETTINGS, device=device, cohort_fingerprint="scale", splits=tuple(splits))


def plan_of(trials: int) -> list[Trial]:
    """So many trials, all from one pretrained network."""
    points: list[Point] = list(expand(space_of(trials), SETTINGS))[:trials]
    common = study()
    return make_plan(points, common, dict.fromkeys(recipes_of(points, common), DIGEST))


def open_recorder(ledger: Ledger, storage: Storage, plan: list[Trial]) -> Recorder:
    """As `ablation.sweep.plan_run` does it."""
    keys = [trial.key for trial in plan]
    lease = NO_SPACE.recovery.lease_seconds
    experiment = ledger.experiment("scale")
    ledger.clear_unfinished(keys, lease)
    parent = ledger.open_plan(experiment, "plan", "scale", {})
    return Recorder(
        ledger=ledger,
        storage=storage,
        experiment_id=experiment,
        parent=parent,
        tags={"cohort_fingerprint": "scale", "git_commit": "unknown"},
        replaces={},
        names=dict(zip(keys, trial_names([trial.point for trial in plan]), strict=True)),
        lease_seconds=lease,
    )


def shared_of(storage: Storage, workers: int) -> SharedByAll:
    """What the trials read."""
    return SharedByAll(
        study=study(),
        subjects={},
        storage=storage.address,
        threads=1,
        checkpoint_seconds=None,
        workers=workers,
    )


@contextmanager
def cluster_of(nodes: int) -> Iterator[None]:
    """A head that runs no trials and nodes that run one each, on this machine; this process has joined."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        for _ in range(nodes):
            cluster.add_node(num_cpus=1)
        cluster.wait_for_nodes()
        with connect(cluster.address):
            yield
    finally:
        cluster.shutdown()


def measure(trials: int, nodes: int, folder: Path) -> None:
    """Runs it once and prints the figures."""
    figures = Figures()
    storage = Storage(str(folder / "store"))
    ledger = Ledger(f"sqlite:///{folder / 'mlflow.db'}", folder / "artifacts")
    plan = figures.timed("plan", lambda: plan_of(trials))
    assert len({trial.key for trial in plan}) == trials
    with cluster_of(nodes):
        shared = shared_of(storage, nodes)
        recorder = figures.timed("open the record", lambda: open_recorder(ledger, storage, plan))
        figures.timed("sweep", lambda: run(plan, shared, recorder, nodes))
        figures.timed("close the record", lambda: recorder.close("FINISHED", "", patient=True))
    figures.seconds["workers start"] = (
        max(map(storage.modified, storage.names(WORKERS))) - figures.begun["sweep"]
    )
    show(figures, trials)
    again = Ledger(ledger.tracking_uri, folder / "artifacts")
    recorded = figures.timed("recognise", again.finished)
    assert recorded.keys() == {trial.key for trial in plan}
    show(figures, trials)


def run(plan: list[Trial], shared: SharedByAll, recorder: Recorder, slots: int) -> None:
    """The product's sweep, with trials that do nothing."""
    resources = TrialResources(cpus=1.0, gpus=0.0)
    networks = Networks(EncoderStore(recorder.storage), PretrainingRecord(recorder.ledger, {}, 0.0))
    with patch.object(sweep, "Runner", NoTrial):
        result = sweep.run_sweep(
            Listed(plan),
            shared,
            recorder,
            networks,
            Room(trial=resources, network=resources, slots=slots),
            Recovery(),
            Progress([1.0] * len(plan), 0.0, log_now_and_then()),
            spending=Spending(Budget()),
            name=lambda trial: str(trial.point),
        )
    assert len(result.finished) == len(plan), result


def show(figures: Figures, trials: int) -> None:
    """Prints a line a figure."""
    print(f"{trials} trials; the driver's memory was {peak_mb('cpu'):.0f} MB at most")
    for name, seconds in figures.seconds.items():
        processor = figures.processor.get(name, 0.0)
        print(
            f"  {name:16} {seconds:8.2f} s, {processor:8.2f} s of the driver's processor; "
            f"a trial {1000 * seconds / trials:.2f} ms, {1000 * processor / trials:.2f} ms",
            flush=True,
        )


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.scale", description=__doc__)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--nodes", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="scale-") as folder:
        measure(given.trials, given.nodes, Path(folder))


if __name__ == "__main__":
    main()
