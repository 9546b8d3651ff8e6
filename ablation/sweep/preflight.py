"""One training step of the largest trials, before the first one is started."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import ray
import torch
from ray.exceptions import RayError

from ablation.plan.plan import Trial
from ablation.worker.trial import CACHE_BYTES, Shared, experiment_of, quiet_read_only_volumes
from t1t2core.errors import InputError
from t1t2core.experiment import Experiment
from t1t2core.settings import Settings, TrainingSettings
from t1t2core.strategies import STRATEGIES
from t1t2core.training.feature_store import FeatureStore

MARGIN = 0.1
"""Share of a GPU's memory that is left free: what a step needs differs a little from patch to patch."""


def largest(trials: Sequence[Trial], settings: Settings) -> list[Trial]:
    """The trials whose training step needs the most: one for each size of patch and batch among them."""
    found: dict[tuple[object, ...], Trial] = {}
    for trial in trials:
        strategy = STRATEGIES[trial.point.strategy]
        if strategy.trains:
            training = strategy.training(trial.point, settings)
            batch = (training.patch, training.batch_size)
            found[batch] = max(found.get(batch, trial), trial, key=_size)
    return list(found.values())


class FirstStep:
    """One training step of a trial, under way on a worker with what a trial may use."""

    def __init__(self, trial: Trial, shared: Shared, request: Mapping[str, float]) -> None:
        remote = ray.remote(num_cpus=request["cpu"], num_gpus=request["gpu"], max_retries=0)(_step)
        self._trial = trial
        self._taken = remote.remote(trial, shared)

    def share(self) -> float:
        """Waits for it. Gives the share of a GPU that such a trial needs: 1 where it runs on none.

        Raises:
            InputError: it fails; the message has the last line of the error.
        """
        try:
            taken, there = ray.get(self._taken)
        except RayError as error:
            cause = [line.strip() for line in str(error).splitlines() if line.strip()][-1]
            factors = (f"{name} {value}" for name, value in self._trial.factors.items() if value is not None)
            raise InputError(
                f"one step of the largest trial ({', '.join(factors)}) fails: {cause}"
            ) from error
        return share_of_gpu(taken, there)


def share_of_gpu(taken: int, there: int) -> float:
    """What Ray is asked for so that as many trials as fit run on one GPU, each with `MARGIN` kept free.

    Args:
        taken: bytes that one of them takes.
        there: bytes that the GPU has; 0 where there is none.
    """
    fitting = int(there * (1 - MARGIN) // taken) if taken else 1
    # Ray counts in ten-thousandths; rounded up, the last one would not fit.
    return math.floor(10_000 / max(1, fitting)) / 10_000


def _step(trial: Trial, shared: Shared) -> tuple[int, int]:
    """Does the step. Gives the bytes that it took on the GPU, and those that the GPU has."""
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
    experiment = experiment_of(trial, shared, settings, device, FeatureStore())
    assert isinstance(experiment, Experiment)
    assert experiment.fit is not None
    if device == "cpu":
        experiment.fit.run_epoch()
        return 0, 0
    # With validation, which takes memory of its own; what torch has taken at the peak it keeps.
    experiment.run_epoch()
    free, there = torch.cuda.mem_get_info()
    return there - free + CACHE_BYTES, there


def _one_step(training: TrainingSettings) -> TrainingSettings:
    return replace(training, max_epochs=1, max_steps=1, steps_per_epoch=1)


def _size(trial: Trial) -> tuple[int, int]:
    return STRATEGIES[trial.point.strategy].step_size(trial.point)
