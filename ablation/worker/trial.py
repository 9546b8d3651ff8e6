"""One trial on one worker, epoch by epoch."""

import time
import warnings
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import ray
import torch
from torch import Tensor

from ablation.plan.plan import PlannedTrial, Recipes, Trial, plan_trial
from ablation.plan.recipe import digest_of_preparation
from ablation.plan.resources import device_for
from ablation.plan.study import Study
from ablation.plan.trial_result import value_after_epoch
from ablation.space.points import Point
from ablation.store.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from ablation.store.outcome import Cost, write_outcome
from ablation.store.pretrained import EncoderStore
from ablation.store.storage import Storage
from ablation.worker.gpu import GpuMemory, cache_bytes, hold_to_share
from ablation.worker.machine import this_machine
from ablation.worker.memory import peak_mb, reset_peak
from t1t2core.evaluation.scores import METRICS
from t1t2core.experiment import EpochResult
from t1t2core.settings import PreparationSettings, Settings
from t1t2core.strategies.staged import AnyExperiment
from t1t2core.training.compute import Compute
from t1t2core.training.feature_store import FeatureStore
from t1t2core.training.warm_up import warm_up
from t1t2core.trial import make_experiment

SCORE, PROGRESS = "score", "progress"
"""Names in reports of trials that may be pruned: best score so far, percentage of training done."""
References = Mapping[str, ray.ObjectRef]
"""To each `PreparedSubject`, by name."""
MOST_NETWORKS = 4
"""Pretrained networks that a worker keeps in memory."""


@dataclass(frozen=True)
class Shared:
    """What all trials of a run read, put once into Ray's object store.

    Args:
        study: of which the trials are.
        subjects: references to the volumes, by the digest of their preparation.
        storage: address of checkpoints, of pretrained networks, and of the files that finished trials leave.
        threads: of torch, in each trial.
        checkpoint_seconds: least time between two checkpoints; None for none.
        objective: score of an epoch by which trials are pruned; None where none are.
        memory: of each GPU, and what a trial takes of it; None where that is not known.
    """

    study: Study
    subjects: Mapping[str, References]
    storage: str
    threads: int
    checkpoint_seconds: float | None
    objective: str | None = None
    memory: GpuMemory | None = None

    def planned(self, config: Mapping[str, Any]) -> PlannedTrial:
        """Return the planned trial of a configuration that the feed handed out."""
        return plan_trial(Point.from_json(config["point"]), self.study, Recipes(self.study))

    def volumes(self, preparation: PreparationSettings) -> Mapping[str, Any]:
        """Return the subjects as they are prepared with these settings."""
        return Fetched(self.subjects[digest_of_preparation(preparation)])


class Fetched(Mapping[str, Any]):
    """Objects of the object store by name, each fetched when it is asked for, without a copy."""

    def __init__(self, refs: Mapping[str, ray.ObjectRef]) -> None:
        self._refs = refs

    def __getitem__(self, name: str) -> Any:
        return ray.get(self._refs[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._refs)

    def __len__(self) -> int:
        return len(self._refs)


class Worker:
    """What a process keeps from one trial to the next.

    Args:
        gpus: that its trials have asked for.
    """

    def __init__(self, shared: Shared, gpus: float) -> None:
        self.shared = shared
        self.storage = Storage(shared.storage)
        self.device = device_for(gpus)
        self._cache_bytes = cache_bytes(shared.memory, gpus)
        self.features = FeatureStore(self._cache_bytes)
        self._networks: OrderedDict[str, dict[str, Tensor]] = OrderedDict()
        self._warm: set[tuple[object, ...]] = set()
        torch.set_num_threads(shared.threads)
        quiet_read_only_volumes()
        hold_to_share(shared.memory, gpus)

    def warm_up(self, trial: Trial) -> None:
        """Compile what trials with such a network and such patches need, once a process."""
        settings = trial.settings
        training = settings.training
        kind = settings.network, training.patch, training.batch_size, trial.precision
        if kind not in self._warm:
            warm_up(settings.network, training, Compute(precision=trial.precision, device=self.device))
            self._warm.add(kind)

    def forget_features(self) -> None:
        """Make room in memory."""
        self.features = FeatureStore(self._cache_bytes)

    def pretrained(self, trial: Trial) -> dict[str, Tensor] | None:
        """Return the weights of the pretrained network that a trial starts from, taken from storage once.

        Raises:
            InputError: it is not there, or damaged.
        """
        if trial.encoder is None:
            return None
        if trial.encoder not in self._networks:
            encoder = EncoderStore(self.storage).fetch(
                trial.encoder, trial.settings.network, len(trial.settings.classes)
            )
            self._networks[trial.encoder] = encoder.weights
        self._networks.move_to_end(trial.encoder)
        while len(self._networks) > MOST_NETWORKS:
            self._networks.popitem(last=False)
        return self._networks[trial.encoder]


class TrialWork:
    """A trial under way, at its start or where its checkpoint left it."""

    def __init__(self, trial: Trial, worker: Worker) -> None:
        self._trial, self._worker, self._shared = trial, worker, worker.shared
        worker.warm_up(trial)
        pretrained = worker.pretrained(trial)
        self._started = self._kept = time.perf_counter()
        worker.features.begin_trial()
        reset_peak(worker.device)
        self._experiment = experiment_of(
            trial, worker.shared, trial.settings, worker.device, worker.features, pretrained
        )
        self._history: list[dict[str, float]] = []
        self._seconds_before = self._borrowed_before = 0.0
        self._told = 0  # epochs that the driver knows of
        if checkpoint := load_checkpoint(worker.storage, trial.key):
            self._experiment.restore(checkpoint.experiment)
            self._history = checkpoint.history
            self._seconds_before, self._borrowed_before = checkpoint.seconds, checkpoint.borrowed_seconds

    def step(self) -> dict[str, Any]:
        """Train an epoch; after the last one score the trial and leave its files in storage."""
        if not self._experiment.finished:
            self._history.append(epoch_metrics(self._experiment.run_epoch()))
            self._keep()
        if self._experiment.finished:
            self._finish()
        news = self._history[self._told :]
        self._told = len(self._history)
        done = self._experiment.finished
        return {"history": news, "done": done, "over": done, "seconds": self._seconds(), **self._standing()}

    def _standing(self) -> dict[str, float]:
        """Return how well the trial does so far, and how far it has got: what pruning goes by."""
        if self._shared.objective is None or not self._history:
            return {}
        best = max(value_after_epoch(epoch, self._shared.objective) for epoch in self._history)
        return {SCORE: best, PROGRESS: 100 * self._experiment.progress}

    def _keep(self) -> None:
        """Write a checkpoint if the last one is old enough."""
        seconds = self._shared.checkpoint_seconds
        if seconds is not None and time.perf_counter() - self._kept >= seconds:
            checkpoint = Checkpoint(
                self._experiment.state(), self._history, self._seconds(), self._borrowed_seconds()
            )
            save_checkpoint(self._worker.storage, self._trial.key, checkpoint)
            self._kept = time.perf_counter()

    def _finish(self) -> None:
        outcome = self._experiment.score()
        cost = Cost(
            total_seconds=self._seconds(),
            standalone_seconds=self._seconds() + self._borrowed_seconds(),
            # Alone it would not have had what is kept for others.
            peak_memory_mb=peak_mb(self._worker.device) - self._worker.features.foreign_bytes / 1e6,
            hardware=this_machine(self._worker.device),
        )
        write_outcome(self._worker.storage, self._trial, self._experiment, outcome, cost, self._history)

    def _seconds(self) -> float:
        """Return the seconds that the trial took, before a break and since."""
        return self._seconds_before + time.perf_counter() - self._started

    def _borrowed_seconds(self) -> float:
        """Return the seconds that other trials took to compute what this one used."""
        return self._borrowed_before + self._worker.features.borrowed_seconds


def experiment_of(
    trial: PlannedTrial,
    shared: Shared,
    settings: Settings,
    device: str,
    features: FeatureStore,
    pretrained: Mapping[str, Tensor] | None,
) -> AnyExperiment:
    """Return the trial's experiment at its start, its volumes fetched from the object store."""
    return make_experiment(
        trial.point,
        trial.split,
        shared.volumes(settings.preparation),
        settings,
        pretrained=pretrained,
        compute=Compute(precision=trial.precision, device=device, features=features),
    )


def quiet_read_only_volumes() -> None:
    """Silence torch's warning that volumes from the object store are read-only: nothing writes to them."""
    warnings.filterwarnings("ignore", message="The given NumPy array is not writable")


def epoch_metrics(result: EpochResult) -> dict[str, float]:
    """Return an epoch's values by the names that the record has for them."""
    metrics = {
        "epoch": result.report.epoch,
        "at": time.time(),
        "train/loss": result.report.loss,
        "train/accuracy": result.report.accuracy,
        "learning_rate": result.report.learning_rate,
    }
    for name, counts in (result.validation or {}).items():
        metrics |= {f"validation/{name}/{metric}": getattr(counts, metric) for metric in METRICS}
    return metrics
