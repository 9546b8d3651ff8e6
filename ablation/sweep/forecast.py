"""How much is still to be run, how long that takes, and what it comes to."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from statistics import fmean

import torch

from ablation.plan.plan import PlannedTrial, is_recorded
from ablation.search.budget import HOUR, MINUTE, Spending
from ablation.search.candidates import CandidateSpace
from ablation.space.resources import Resources
from ablation.space.space import Space
from ablation.sweep.estimate import Estimator
from ablation.sweep.progress import clock

MOST_ESTIMATED = 200
"""Candidates of a space that its mean is taken of."""


@dataclass(frozen=True)
class Forecast:
    """Trials of a plan or a search, and the seconds of those that are to be run.

    Args:
        trials: of all, recorded or not, as far as the budget reaches.
        recorded: of them.
        each: seconds of those that are to be run, in the order in which they start.
        networks: seconds of the pretrained networks that are to be trained for them.
        most: trials that can be run at all, however fast they are.
    """

    trials: int
    recorded: int
    each: Sequence[float]
    networks: Sequence[float] = ()
    most: float = math.inf

    @property
    def to_run(self) -> int:
        """Trials that are not recorded."""
        return len(self.each)

    @property
    def mean(self) -> float:
        """Mean seconds of a trial."""
        return fmean(self.each) if self.each else 0.0

    @property
    def _work(self) -> float:
        """Seconds of all that is to be done."""
        return sum(self.each) + sum(self.networks)

    def seconds(self, space: Space, slots: int) -> float:
        """Return seconds by the clock, with so many trials at once; no longer than the budget allows."""
        alone = self._work / slots
        minutes = space.budget.minutes
        return alone if minutes is None else min(alone, minutes * MINUTE)

    def lines(self, space: Space, slots: int) -> list[str]:
        """Return what `--plan` ends with: costs where they are known, then the numbers of trials."""
        seconds = self.seconds(space, slots)
        hours, priced = seconds / HOUR, "machine"
        lines = []
        if gpus := gpus_of(space.resources):
            hours, priced = self._work * gpus / HOUR, "GPU"
            lines.append(f"about {hours:.2f} GPU-hours")
        if (price := space.resources.price_per_hour) is not None:
            lines.append(f"about {hours * price:.2f}, at {price:g} an hour of a {priced}")
        ends = f"{self.trials} trials: {self.recorded} recorded, {self.to_run} to run, about {clock(seconds)}"
        return [*lines, f"{ends} with the pretrained networks" if self.networks else ends]


def gpus_of(resources: Resources) -> float:
    """Return the largest share of a GPU that a trial takes: how many share one is not known beforehand."""
    if resources.gpus != "auto":
        return resources.gpus
    return float(torch.cuda.is_available())


def forecast_grid(
    plan: Sequence[PlannedTrial],
    to_run: Sequence[PlannedTrial],
    spending: Spending,
    estimator: Estimator,
) -> Forecast:
    """Return the forecast of a grid; a budget of trials reaches no further than that."""
    within, recorded = to_run[: spending.trials_left], len(plan) - len(to_run)
    networks = estimator.networks_seconds(within)
    each = estimator.all_seconds(within)
    return Forecast(recorded + len(within), recorded, each, networks, most=len(within))


def forecast_search(
    sampled: Sequence[PlannedTrial],
    recorded: Collection[str],
    corners: Sequence[PlannedTrial],
    candidates: CandidateSpace,
    spending: Spending,
    estimator: Estimator,
    *,
    slots: int,
    gpus: float,
) -> Forecast:
    """Return the forecast of a search: the mean of its space stands for candidates that are not sampled yet.

    Args:
        sampled: trials of its candidates so far.
        slots: trials at once.
        gpus: share of a GPU that a trial takes.
        corners: trials at the ends of its ranges and all values of its lists.
    """
    done = sum(is_recorded(trial, recorded) for trial in sampled)
    alike = estimator.all_seconds(corners[:: math.ceil(len(corners) / MOST_ESTIMATED)])
    mean = fmean(alike)
    limits: list[float] = [] if spending.trials_left is None else [spending.trials_left]
    if candidates.everything is not None:
        limits.append(len(candidates.everything) * candidates.most_trials - done)
    most = max(0.0, min(limits, default=math.inf))
    if spending.limit.gpu_hours is not None:
        limits.append(math.ceil(spending.limit.gpu_hours * HOUR / (mean * (gpus or 1))))
    if spending.limit.minutes is not None:
        limits.append(math.ceil(spending.limit.minutes * MINUTE * slots / mean))
    to_run = int(max(0, min(limits)))
    networks = estimator.networks_seconds(corners)
    return Forecast(done + to_run, done, [mean] * to_run, networks, most=most)
