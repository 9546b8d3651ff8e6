"""One training step of the largest trial, before the first one is started."""

from collections.abc import Sequence
from dataclasses import replace

import ray
import torch
from ray.exceptions import RayError

from ablation.plan import Trial
from ablation.trial import Shared, experiment_of, quiet_read_only_volumes
from t1t2core.errors import InputError
from t1t2core.experiment import Experiment
from t1t2core.settings import TrainingSettings
from t1t2core.transfer import TRAINS

SIZES = ("conservative", "augmented", "scratch", "open", "hybrid")
"""Strategies by what a step of theirs needs, the largest last; within one, more tuned layers need more."""


def largest(trials: Sequence[Trial]) -> Trial | None:
    """The trial whose training step needs the most; None if none trains."""
    trained = [trial for trial in trials if trial.point.strategy in TRAINS]
    return max(trained, key=_size, default=None)


def check_step(trial: Trial, shared: Shared, request: dict[str, float]) -> None:
    """Lets a worker do one training step of the trial, with what a trial may use.

    Raises:
        InputError: it fails; the message has the last line of the error.
    """
    remote = ray.remote(num_cpus=request["cpu"], num_gpus=request["gpu"], max_retries=0)(_step)
    try:
        ray.get(remote.remote(trial, shared))
    except RayError as error:
        cause = [line.strip() for line in str(error).splitlines() if line.strip()][-1]
        factors = ", ".join(f"{name} {value}" for name, value in trial.factors.items() if value is not None)
        raise InputError(f"one step of the largest trial ({factors}) fails: {cause}") from error


def _step(trial: Trial, shared: Shared) -> None:
    torch.set_num_threads(shared.threads)
    quiet_read_only_volumes()
    settings = replace(
        shared.settings,
        # Stages one after the other need no more than both at once.
        network=replace(shared.settings.network, hybrid_training="joint"),
        training=_one_step(shared.settings.training),
        pretraining=_one_step(shared.settings.pretraining),
    )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    experiment = experiment_of(trial, shared, settings, device)
    assert isinstance(experiment, Experiment)
    assert experiment.fit is not None
    experiment.fit.run_epoch()


def _one_step(training: TrainingSettings) -> TrainingSettings:
    return replace(training, max_epochs=1, max_steps=1, steps_per_epoch=1)


def _size(trial: Trial) -> tuple[int, int, bool]:
    point = trial.point
    layers = 0 if point.tuned_layers in ("fc", None) else int(point.tuned_layers)
    return SIZES.index(point.strategy), layers, point.fusion == "concatenation"
