"""Pretraining of a network on one worker or on several: from its recipe, or its checkpoint, to storage."""

import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import ray
import torch
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer

from ablation.plan.recipe import EncoderRecipe
from ablation.plan.resources import device_for
from ablation.store.checkpoints import Checkpoint, load_checkpoint, remove_checkpoint, save_checkpoint
from ablation.store.outcome import score_metrics
from ablation.store.pretrained import EncoderStore
from ablation.store.pretraining_journal import Journal, write_journal
from ablation.store.storage import Storage
from ablation.worker.memory import peak_mb, reset_peak
from ablation.worker.trial import Fetched, epoch_metrics, quiet_read_only_volumes
from t1t2core.experiment import Experiment
from t1t2core.settings import Settings
from t1t2core.training.compute import Compute
from t1t2core.training.team import ALONE, Team
from t1t2core.training.warm_up import warm_up
from t1t2core.trial import pretraining_experiment

MOST_RESTARTS = 10
"""Times that a training which lost a worker goes on from its checkpoint; one by several workers also where
one raised an error, since the others then fail too and Ray Train does not tell them apart."""
WATCH_SECONDS = "0.5"
"""Time between two looks of Ray Train at its workers; by default it looks every two seconds."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A pretrained network to be trained.

    Args:
        subjects: a reference to each `PreparedSubject`, by name.
        storage: address of checkpoints and of the published network.
        workers: that share out the patches of each step.
        cpus: of each worker.
        gpus: of each worker.
        checkpoint_seconds: least time between two checkpoints; None for none.
    """

    recipe: EncoderRecipe
    subjects: Mapping[str, ray.ObjectRef]
    storage: str
    workers: int
    cpus: float
    gpus: float
    checkpoint_seconds: float | None


def start(job: Job) -> ray.ObjectRef:
    """Let Ray train the network; the reference is there when it is published.

    One worker is a task: a start of Ray Train takes longer than a whole small training.
    """
    if job.workers == 1:
        task = ray.remote(num_cpus=job.cpus, num_gpus=job.gpus, max_retries=MOST_RESTARTS)
        return task(train).remote(job)
    return ray.remote(num_cpus=0, max_retries=MOST_RESTARTS)(_train_together).remote(job)


def train(job: Job, team: Team = ALONE) -> None:
    """Train the network from scratch (Sec. 3.5) or from its checkpoint, score it and publish it.

    Each worker of a team does so; the first one writes.
    """
    training = Training(job, team)
    while not training.step()["done"]:
        pass


def _train_together(job: Job) -> None:
    """Train it by Ray Train, which starts all workers again where one is lost."""
    os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", WATCH_SECONDS)
    resources = {name: amount for name, amount in (("CPU", job.cpus), ("GPU", job.gpus)) if amount}
    # Its own folder stays empty: checkpoints go to storage.
    with tempfile.TemporaryDirectory(prefix="ablation-pretraining-") as folder:
        TorchTrainer(
            partial(_train_as_member, job),
            scaling_config=ScalingConfig(
                num_workers=job.workers, use_gpu=job.gpus > 0, resources_per_worker=resources
            ),
            run_config=RunConfig(
                name="pretraining",
                storage_path=folder,
                failure_config=FailureConfig(max_failures=MOST_RESTARTS),
            ),
        ).fit()


def _train_as_member(job: Job) -> None:
    train(job, Team.joined())


class Training:
    """Training of a pretrained network under way, at its start or where its checkpoint left it."""

    def __init__(self, job: Job, team: Team = ALONE) -> None:
        self._job, self._team = job, team
        self._device = device_for(job.gpus)
        torch.set_num_threads(max(1, int(job.cpus)))
        quiet_read_only_volumes()
        compute = Compute(precision=job.recipe.precision, device=self._device)
        warm_up(job.recipe.network, job.recipe.pretraining, compute)
        self._started = self._kept = time.perf_counter()
        reset_peak(self._device)
        self._storage = Storage(job.storage)
        self._key = job.recipe.key
        self.experiment = self._make_experiment()
        self._history: list[dict[str, float]] = []
        self._seconds_before = 0.0
        self._told = 0  # epochs that the driver knows of
        # Told by one: a worker of an earlier start may still be writing.
        if checkpoint := team.told_by_first(lambda: load_checkpoint(self._storage, self._key)):
            self.experiment.restore(checkpoint.experiment)
            self._history, self._seconds_before = checkpoint.history, checkpoint.seconds

    def step(self) -> dict[str, Any]:
        """Train an epoch; after the last one publish the network. Return what the driver is to know."""
        if not self.experiment.finished:
            self._run_epoch()
        done = self.experiment.finished
        if done:
            self._publish()
        news, self._told = self._history[self._told :], len(self._history)
        return {"history": news, "done": done, "over": done, "seconds": self._seconds()}

    def _run_epoch(self) -> None:
        """Train one, then write a checkpoint if the last one is old enough."""
        self._history.append(epoch_metrics(self.experiment.run_epoch()))
        least = self._job.checkpoint_seconds
        is_due = least is not None and time.perf_counter() - self._kept >= least
        if self._team.is_first and is_due:
            checkpoint = Checkpoint(self.experiment.state(), self._history, self._seconds())
            save_checkpoint(self._storage, self._key, checkpoint)
            self._write_journal({})
            self._kept = time.perf_counter()

    def _publish(self) -> None:
        """Put the network into storage, unless another driver has: all trials start from the same."""
        outcome = self.experiment.score()
        peak = max(self._team.gather([peak_mb(self._device)]))
        if not self._team.is_first:
            return
        scores, seconds = score_metrics(outcome.scores), self._seconds()
        epochs = outcome.epoch_seconds
        metrics = {
            **scores,
            "time/epochs": outcome.epochs,
            "time/seconds_per_epoch": sum(epochs) / len(epochs),
            "time/total_seconds": seconds,
            "memory/peak_mb": peak,
        }
        self._write_journal(metrics, outcome.stop_reason)
        results: dict[str, Any] = {
            "scores": scores,
            "stop_reason": outcome.stop_reason,
            "epochs": outcome.epochs,
            "total_seconds": seconds,
            "peak_memory_mb": peak,
            "workers": self._team.size,
        }
        encoders = EncoderStore(self._storage)
        if not encoders.find(self._job.recipe):
            encoders.publish(outcome.weights, self._job.recipe, results)
        remove_checkpoint(self._storage, self._key)

    def _make_experiment(self) -> Experiment:
        recipe = self._job.recipe
        return pretraining_experiment(
            recipe.training,
            recipe.validation,
            Fetched(self._job.subjects),
            Settings(preparation=recipe.preparation, network=recipe.network, pretraining=recipe.pretraining),
            seed=recipe.seed,
            compute=Compute(precision=recipe.precision, device=self._device, team=self._team),
        )

    def _write_journal(self, metrics: dict[str, float], stop_reason: str = "") -> None:
        journal = Journal(
            workers=self._team.size, history=self._history, metrics=metrics, stop_reason=stop_reason
        )
        write_journal(self._storage, self._job.recipe.digest, journal)

    def _seconds(self) -> float:
        """Return the seconds that it took, before a break and since."""
        return self._seconds_before + time.perf_counter() - self._started
