"""Training steps of a trial before the first one is started: whether they work, what they take, how fast."""

import time
from dataclasses import dataclass, replace

import torch

from ablation.plan.plan import PlannedTrial
from ablation.plan.resources import DeviceKind, device_for
from ablation.worker.gpu import GpuMemory, measure_memory, why_unusable, why_wrong
from ablation.worker.trial import Shared, experiment_of, quiet_read_only_volumes
from t1t2core.errors import InputError
from t1t2core.experiment import Experiment
from t1t2core.network.build import build_network
from t1t2core.settings import TrainingSettings
from t1t2core.strategies.step_time import PatchSeconds, time_patch
from t1t2core.training.feature_store import FeatureStore
from t1t2core.training.fit import Fit

LATE = 1_000_000
"""Epochs that are as if done before: what is thawed as training goes on needs the most at its end."""


@dataclass(frozen=True)
class FirstStepReport:
    """What a step on a worker told.

    Args:
        memory: of its GPU; None on a CPU.
        seconds: that a patch takes there; None on a CPU, where they are measured otherwise.
    """

    memory: GpuMemory | None = None
    seconds: PatchSeconds | None = None


def take_first_step(trial: PlannedTrial, shared: Shared, gpus: float) -> FirstStepReport:
    """Make a training step, and on a GPU look at validation patients after it.

    Raises:
        InputError: the worker's GPU cannot be used.
    """
    device = device_for(gpus)
    if device == "cuda" and (reason := why_unusable() or why_wrong(trial.precision)):
        raise InputError(reason)
    experiment = _start(trial, shared, device)
    assert experiment.fit is not None
    if device == "cpu":
        experiment.fit.run_epoch()
        return FirstStepReport()
    # With validation, which takes memory of its own; what torch has taken at the peak it keeps.
    experiment.run_epoch()
    memory = measure_memory()
    return FirstStepReport(memory, time_patch(trial.point, trial.settings, trial.precision, device))


class Stepper:
    """A trial that makes training steps and nothing else, to see how many a GPU makes in a time."""

    def __init__(self, trial: PlannedTrial, shared: Shared, gpus: float) -> None:
        self._fit = _fit_of(_start(trial, shared, device_for(gpus), steps=1_000_000))

    def warm_up(self) -> None:
        """Make a step: what is done once a process is done by it."""
        self._fit.run_epoch()

    def rate(self, seconds: float) -> float:
        """Make steps for so long, and return how many were made in a second."""
        started, steps = time.perf_counter(), 0
        while (passed := time.perf_counter() - started) < seconds:
            self._fit.run_epoch()
            steps += 1
        return steps / passed


def _fit_of(experiment: Experiment) -> Fit:
    assert experiment.fit is not None
    return experiment.fit


def _start(trial: PlannedTrial, shared: Shared, device: DeviceKind, steps: int = 1) -> Experiment:
    """Return the trial's experiment with epochs of one step, and so many steps."""
    torch.set_num_threads(shared.threads)
    quiet_read_only_volumes()
    settings = replace(
        trial.settings,
        # Stages one after the other need no more than both at once.
        network=replace(trial.settings.network, hybrid_training="joint"),
        training=_single_steps(trial.settings.training, steps),
        pretraining=_single_steps(trial.settings.pretraining, steps),
    )
    # The trial's own pretrained network may not be trained yet; memory is the same with any weights.
    classes = len(settings.classes)
    network = build_network(settings.network, classes=classes, seed=0) if trial.recipe else None
    pretrained = network.state_dict() if network else None
    experiment = experiment_of(trial, shared, settings, device, FeatureStore(), pretrained)
    assert isinstance(experiment, Experiment)
    if experiment.fit is not None:
        experiment.fit.epoch = LATE
    return experiment


def _single_steps(training: TrainingSettings, steps: int) -> TrainingSettings:
    return replace(training, max_epochs=steps, max_steps=steps, steps_per_epoch=1)
