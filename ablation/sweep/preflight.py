"""One training step of the largest trials, before the first one is started."""

import math
from collections.abc import Sequence

import ray
from ray.exceptions import RayError

from ablation.plan.plan import PlannedTrial
from ablation.plan.resources import TrialResources
from ablation.worker.first_step import take_first_step
from ablation.worker.trial import Shared
from t1t2core.errors import InputError
from t1t2core.strategies import STRATEGIES

MARGIN = 0.1
"""Share of a GPU's memory that is left free: what a step needs differs a little from patch to patch."""


def largest(trials: Sequence[PlannedTrial]) -> list[PlannedTrial]:
    """Return the trials whose step needs the most: one for each size of patch and batch."""
    found: dict[tuple[object, ...], PlannedTrial] = {}
    for trial in trials:
        strategy = STRATEGIES[trial.point.strategy]
        if strategy.trains:
            training = strategy.training(trial.point, trial.settings)
            kind = (training.patch, training.batch_size, trial.precision)
            found[kind] = max(found.get(kind, trial), trial, key=_size)
    return list(found.values())


class FirstStep:
    """One training step of a trial, under way on a worker with what a trial may use."""

    def __init__(self, trial: PlannedTrial, shared: Shared, resources: TrialResources) -> None:
        remote = ray.remote(num_cpus=resources.cpus, num_gpus=resources.gpus, max_retries=0)(take_first_step)
        self._trial = trial
        self._taken = remote.remote(trial, shared)

    def share(self) -> float:
        """Wait for it, and return the share of a GPU that such a trial needs: 1 where it runs on none.

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
    """Return what Ray is asked for so that as many trials as fit run on one GPU, with `MARGIN` kept free.

    Args:
        taken: bytes that one of them takes.
        there: bytes that the GPU has; 0 where there is none.
    """
    fitting = int(there * (1 - MARGIN) // taken) if taken else 1
    # Ray counts in ten-thousandths; rounded up, the last one would not fit.
    return math.floor(10_000 / max(1, fitting)) / 10_000


def _size(trial: PlannedTrial) -> tuple[int, ...]:
    network = trial.settings.network
    return (
        network.width,
        *STRATEGIES[trial.point.strategy].step_size(trial.point),
        int(network.skip_connections != "none"),
    )
