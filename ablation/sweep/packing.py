"""How many trials share a GPU: as many as get through the most steps, not as many as fit."""

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import ray
from ray.util.placement_group import placement_group, remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from ablation.plan.plan import PlannedTrial
from ablation.plan.resources import TrialResources
from ablation.sweep.machines import machines
from ablation.worker.first_step import FirstStepReport, Stepper
from ablation.worker.gpu import GpuMemory
from ablation.worker.trial import Shared

log = logging.getLogger(__name__)

MOST_ON_ONE_GPU = 3
"""Trials that are tried at once on one GPU: without NVIDIA's MPS kernels of two processes take turns, and
only what one of them does on the processor meanwhile is won."""
WORTH = 1.1
"""More steps a second, all together, that one more trial on a GPU must bring: the time of each grows,
features of frozen stages are computed once more, and times of arms can no longer be compared."""
TRIED_SECONDS = 4.0
"""That steps are made for to see how many trials a GPU should have."""


@dataclass(frozen=True)
class Packing:
    """What each trial has of a GPU.

    Args:
        resources: that it asks for.
        memory: of the GPU; None where trials use none.
        slower: times that a trial takes as long as alone on the GPU.
    """

    resources: TrialResources
    memory: GpuMemory | None = None
    slower: float = 1.0


def pack(
    trials: Sequence[PlannedTrial],
    reports: Sequence[FirstStepReport],
    shared: Shared,
    resources: TrialResources,
    *,
    is_auto: bool,
    most: int,
) -> Packing:
    """Return what each trial has of a GPU, once the largest have made a step.

    Args:
        trials: the largest, whose reports these are.
        resources: that one asks for which has a GPU to itself.
        is_auto: whether several may share one.
        most: trials that may run at once.
    """
    memory = _smallest([report.memory for report in reports if report.memory is not None])
    if memory is None or not is_auto:
        return Packing(resources, memory)
    most = min(MOST_ON_ONE_GPU, most, memory.fitting, _cpus_for_each_gpu(resources.cpus))
    if most < 2:
        return Packing(resources, memory)
    number, rates = try_on_one_gpu(trials[0], replace(shared, memory=memory), resources, most)
    told = ", ".join(f"{rate:.3g}" for rate in rates)
    log.info(f"trials on each GPU: {number} (steps a second, all together, of 1 to {len(rates)}: {told})")
    slower = number * rates[0] / rates[number - 1]
    return Packing(replace(resources, gpus=share_of(number)), memory, slower)


def _smallest(memories: Sequence[GpuMemory]) -> GpuMemory | None:
    """Return what holds on every GPU and for every trial."""
    if not memories:
        return None
    return GpuMemory(
        step=max(memory.step for memory in memories),
        usable=min(memory.usable for memory in memories),
        total=min(memory.total for memory in memories),
    )


def _cpus_for_each_gpu(cpus: float) -> int:
    """Return how many trials with so many cores there are cores for beside each GPU."""
    with_gpus = [machine for machine, _ in machines() if machine.get("GPU")]
    return min((int(machine["CPU"] / machine["GPU"] // cpus) for machine in with_gpus), default=1)


class Rated(Protocol):
    """Handle of an actor that makes steps, as `Stepper` does."""

    warm_up: Any
    rate: Any


def trials_on_one_gpu(start: Callable[[], Rated], most: int) -> tuple[int, list[float]]:
    """Return how many trials at once get through the most steps on a GPU, and the steps a second of one, two,
    ...

    Args:
        start: starts one more beside those that are there.
        most: that may be tried.
    """
    there: list[Rated] = []
    rates: list[float] = []
    while len(there) < most:
        there.append(start())
        ray.get(there[-1].warm_up.remote())
        rates.append(sum(ray.get([each.rate.remote(TRIED_SECONDS) for each in there])))
        if len(rates) > 1 and rates[-1] < WORTH * rates[-2]:
            return len(rates) - 1, rates
    return max(1, len(rates)), rates


def try_on_one_gpu(
    trial: PlannedTrial, shared: Shared, resources: TrialResources, most: int
) -> tuple[int, list[float]]:
    """Do what `trials_on_one_gpu` does, with a trial's training steps on one GPU of the cluster."""
    group = placement_group([{"CPU": resources.cpus * most, "GPU": 1}])
    actor = ray.remote(
        num_cpus=resources.cpus,
        num_gpus=share_of(most),
        scheduling_strategy=PlacementGroupSchedulingStrategy(group),
    )(Stepper)
    started: list[Any] = []

    def start() -> Rated:
        started.append(actor.remote(trial, shared, share_of(most)))
        handle: Rated = started[-1]
        return handle

    try:
        return trials_on_one_gpu(start, most)
    finally:
        for each in started:
            ray.kill(each)
        remove_placement_group(group)


def share_of(trials: int) -> float:
    """Return what Ray is asked for by each of so many trials on one GPU."""
    # Ray counts in ten-thousandths; rounded up, the last one would not fit.
    return math.floor(10_000 / max(1, trials)) / 10_000
