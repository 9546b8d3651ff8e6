"""One trial on one worker: Ray Tune calls `step` once an epoch."""

import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import ray
import torch
from ray import tune

from ablation.plan.plan import Trial, make_plan
from ablation.plan.recipe import EncoderRecipe, digest_of_preparation
from ablation.plan.study import Study
from ablation.space.points import Point
from ablation.store.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from ablation.store.outcome import Cost, write_outcome
from ablation.store.storage import Storage
from ablation.worker.memory import peak_mb, reset_peak
from t1t2core.evaluation.scores import METRICS
from t1t2core.experiment import EpochResult
from t1t2core.settings import Settings
from t1t2core.strategies.staged import AnyExperiment
from t1t2core.training.compute import Compute
from t1t2core.training.feature_store import FeatureStore
from t1t2core.training.warm_up import warm_up
from t1t2core.trial import make_experiment

SCORE, PROGRESS = "score", "progress"
"""Names in reports of trials that may be pruned: best score so far, percentage of training done."""
References = Mapping[str, ray.ObjectRef]
"""To each `PreparedSubject`, by name."""
CACHE_BYTES = 1 << 30
"""Memory that a worker may fill with features of frozen stages."""


@dataclass(frozen=True)
class Shared:
    """What all trials of a run read, put once into Ray's object store.

    Args:
        study: of which the trials are.
        digests: of the T1 networks that they start from.
        subjects: references to the volumes, by the digest of their preparation.
        encoders: a reference to the weights of each T1 network (name to array), by digest.
        storage: address of checkpoints, and of the files that finished trials leave.
        threads: of torch, in each trial.
        checkpoint_seconds: least time between two checkpoints; None for none.
        objective: score of an epoch by which trials are pruned; None where none are.
    """

    study: Study
    digests: Mapping[EncoderRecipe, str]
    subjects: Mapping[str, References]
    encoders: dict[str, ray.ObjectRef]
    storage: str
    threads: int
    checkpoint_seconds: float | None
    objective: str | None = None

    def trial(self, config: Mapping[str, Any]) -> Trial:
        """Return the trial of a configuration that the feed handed out."""
        point = Point.from_json(config["point"])
        return replace(make_plan([point], self.study, self.digests)[0], key=config["key"])


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


class TrialRunner(tune.Trainable):
    """Trains and scores the trial that its configuration tells, then the next one, in one process."""

    _told: int
    """Epochs that the driver knows of."""

    @classmethod
    def default_resource_request(cls, config: dict[str, Any]) -> tune.PlacementGroupFactory:
        """Return what Tune asks Ray for: as the configuration says."""
        wanted = {"CPU": config["cpu"], "GPU": config["gpu"]}
        return tune.PlacementGroupFactory([{name: amount for name, amount in wanted.items() if amount}])

    def setup(self, config: dict[str, Any], shared: Shared) -> None:  # type: ignore[override]
        """Get ready, once a process."""
        self._shared = shared
        self._object_storage = Storage(shared.storage)
        torch.set_num_threads(shared.threads)
        quiet_read_only_volumes()
        self._features = FeatureStore(CACHE_BYTES)
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._warm: set[tuple[object, ...]] = set()
        self._start(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Get ready for a further trial."""
        self._start(new_config)
        return True

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
        scores = [epoch.get(self._shared.objective, 0.0) for epoch in self._history]
        # NaN, of a class that is neither there nor predicted, counts as 0.
        best = max(score if score == score else 0.0 for score in scores)
        return {SCORE: best, PROGRESS: 100 * self._experiment.progress}

    def _start(self, config: Mapping[str, Any]) -> None:
        """Start the trial, or go on where its checkpoint left it."""
        key = config["key"]
        self._trial = self._shared.trial(config)
        self._warm_up(self._trial)
        self._started = self._kept = time.perf_counter()
        self._features.begin_trial()
        reset_peak(self._device)
        self._experiment = experiment_of(
            self._trial, self._shared, self._trial.settings, self._device, self._features
        )
        self._history: list[dict[str, float]] = []
        self._seconds_before = self._borrowed_before = 0.0
        self._told = 0
        if checkpoint := load_checkpoint(self._object_storage, key):
            self._experiment.restore(checkpoint.experiment)
            self._history = checkpoint.history
            self._seconds_before, self._borrowed_before = checkpoint.seconds, checkpoint.borrowed_seconds

    def _warm_up(self, trial: Trial) -> None:
        """Compile what trials with such a network and such patches need, once a process."""
        settings = trial.settings
        training = settings.training
        kind = settings.network, training.patch, training.batch_size, trial.precision
        if kind not in self._warm:
            warm_up(settings.network, training, Compute(precision=trial.precision, device=self._device))
            self._warm.add(kind)

    def _keep(self) -> None:
        """Write a checkpoint if the last one is old enough."""
        seconds = self._shared.checkpoint_seconds
        if seconds is not None and time.perf_counter() - self._kept >= seconds:
            checkpoint = Checkpoint(
                self._experiment.state(), self._history, self._seconds(), self._borrowed_seconds()
            )
            save_checkpoint(self._object_storage, self._trial.key, checkpoint)
            self._kept = time.perf_counter()

    def _finish(self) -> None:
        outcome = self._experiment.score()
        cost = Cost(
            total_seconds=self._seconds(),
            standalone_seconds=self._seconds() + self._borrowed_seconds(),
            # Alone it would not have had what is kept for others.
            peak_memory_mb=peak_mb(self._device) - self._features.foreign_bytes / 1e6,
        )
        write_outcome(self._object_storage, self._trial, self._experiment, outcome, cost, self._history)

    def _seconds(self) -> float:
        """Return the seconds that the trial took, before a break and since."""
        return self._seconds_before + time.perf_counter() - self._started

    def _borrowed_seconds(self) -> float:
        """Return the seconds that other trials took to compute what this one used."""
        return self._borrowed_before + self._features.borrowed_seconds


def experiment_of(
    trial: Trial, shared: Shared, settings: Settings, device: str, features: FeatureStore
) -> AnyExperiment:
    """Return the trial's experiment at its start, its inputs fetched from the object store."""
    weights = None if trial.encoder is None else ray.get(shared.encoders[trial.encoder])
    return make_experiment(
        trial.point,
        trial.split,
        Fetched(shared.subjects[digest_of_preparation(settings.preparation)]),
        settings,
        pretrained=None if weights is None else {n: torch.from_numpy(w) for n, w in weights.items()},
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
