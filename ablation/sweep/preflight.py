"""One training step of the largest trials, before the first one is started."""

from collections.abc import Sequence

import ray
from ray.exceptions import RayError, RayTaskError

from ablation.plan.plan import PlannedTrial
from ablation.plan.resources import TrialResources
from ablation.worker.first_step import FirstStepReport, take_first_step
from ablation.worker.gpu import GpuMemory
from ablation.worker.trial import Shared
from t1t2core.errors import InputError
from t1t2core.strategies import STRATEGIES


def largest(trials: Sequence[PlannedTrial]) -> list[PlannedTrial]:
    """Return the trials whose step needs the most: one for each network, size of patch and batch."""
    found: dict[tuple[object, ...], PlannedTrial] = {}
    for trial in trials:
        strategy = STRATEGIES[trial.point.strategy]
        if strategy.trains:
            training = strategy.training(trial.point, trial.settings)
            architecture = trial.settings.network.architecture
            kind = (
                *(architecture, trial.precision),
                *(training.patch, training.batch_size, training.micro_batch),
            )
            found[kind] = max(found.get(kind, trial), trial, key=_size)
    return list(found.values())


class FirstStep:
    """One training step of a trial, under way on a worker with what a trial may use."""

    def __init__(self, trial: PlannedTrial, shared: Shared, resources: TrialResources) -> None:
        remote = ray.remote(num_cpus=resources.cpus, num_gpus=resources.gpus, max_retries=0)(take_first_step)
        self.trial = trial
        self._taken = remote.remote(trial, shared, resources.gpus)

    def report(self) -> FirstStepReport:
        """Wait for it, and return what it told.

        Raises:
            InputError: it fails; the message has the last line of the error.
        """
        try:
            report: FirstStepReport = ray.get(self._taken)
        except RayError as error:
            if isinstance(error, RayTaskError) and isinstance(error.cause, InputError):
                raise InputError(str(error.cause)) from error
            cause = [line.strip() for line in str(error).splitlines() if line.strip()][-1]
            factors = (f"{name} {value}" for name, value in self.trial.factors.items() if value is not None)
            raise InputError(
                f"one step of the largest trial ({', '.join(factors)}) fails: {cause}"
            ) from error
        if report.memory is not None and not report.memory.fitting:
            raise InputError(_too_full(report.memory))
        return report


def _too_full(memory: GpuMemory) -> str:
    step, usable, total = (f"{each / 1e9:.1f} GB" for each in (memory.step, memory.usable, memory.total))
    return (
        f"a trial takes {step} of a GPU's memory, and of its {total} only {usable} are free: stop "
        "what else runs on it, choose another GPU by CUDA_VISIBLE_DEVICES, or lower training.batch_size, "
        "training.patch or, without batch norm, training.micro_batch"
    )


def _size(trial: PlannedTrial) -> tuple[int, ...]:
    network = trial.settings.network
    return (
        network.width,
        *STRATEGIES[trial.point.strategy].step_size(trial.point),
        int(network.skip_connections != "none"),
    )
