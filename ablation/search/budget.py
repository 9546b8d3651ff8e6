"""What a sweep may spend, and what it has spent."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from mlflow.entities import Run

from ablation.names import GPUS, PARENT_RUN, TOTAL_SECONDS
from ablation.plan.resources import TrialResources
from ablation.record.ledger import Ledger
from ablation.space.search_settings import Budget
from ablation.space.space import Space
from t1t2core.errors import InputError

HOUR, MINUTE = 3600.0, 60.0


@dataclass
class Spending:
    """What is spent of a budget; once it is all, nothing new is started and what runs ends.

    Trials and GPU-hours count for all commands that worked on a plan, minutes for each command anew.

    Args:
        limit: None in it is no limit.
        trials: that earlier commands ran.
        gpu_seconds: seconds of a whole GPU that they took.
        clock: seconds.
    """

    limit: Budget
    trials: int = 0
    gpu_seconds: float = 0.0
    clock: Callable[[], float] = time.monotonic
    _under_way: dict[str, tuple[float, float]] = field(default_factory=dict)
    _started: float = field(init=False)

    def __post_init__(self) -> None:
        self._started = self.clock()

    @property
    def trials_left(self) -> int | None:
        """Trials that may still be started; None for as many as one likes."""
        return None if self.limit.trials is None else max(0, self.limit.trials - self.trials)

    @property
    def is_spent(self) -> bool:
        """Whether nothing new may be started."""
        limit = self.limit
        running = sum((self.clock() - begun) * gpus for begun, gpus in self._under_way.values())
        return (
            self.trials_left == 0
            or (limit.gpu_hours is not None and self.gpu_seconds + running >= limit.gpu_hours * HOUR)
            or (limit.minutes is not None and self.clock() - self._started >= limit.minutes * MINUTE)
        )

    def begin(self, key: str, gpus: float) -> None:
        """Count a trial that is started, with this share of a GPU; tried again, it counts once."""
        if key not in self._under_way:
            self.trials += 1
        self._under_way[key] = self.clock(), gpus

    def end(self, key: str) -> None:
        """Count what a trial took that has ended, however."""
        begun, gpus = self._under_way.pop(key, (self.clock(), 0.0))
        self.gpu_seconds += (self.clock() - begun) * gpus

    def __str__(self) -> str:
        """Return what is spent of what, such as `21 of 21 trials`."""
        limit = self.limit
        parts = []
        if limit.trials is not None:
            parts.append(f"{self.trials} of {limit.trials} trials")
        if limit.gpu_hours is not None:
            parts.append(f"{self.gpu_seconds / HOUR:.2f} of {limit.gpu_hours:g} GPU-hours")
        if limit.minutes is not None:
            parts.append(f"{(self.clock() - self._started) / MINUTE:.1f} of {limit.minutes:g} minutes")
        return ", ".join(parts)


def spending_of(space: Space, ledger: Ledger, parent: str, recorded: Mapping[str, Run]) -> Spending:
    """Return the budget of a plan and what earlier commands spent of it.

    Args:
        parent: the plan's run in the record.
        recorded: finished trials, of any plan.
    """
    limit = space.budget.model_copy(update={"trials": space.search.trials or space.budget.trials})
    mine = [run for run in recorded.values() if run.data.tags.get(PARENT_RUN) == parent]
    if limit.trials is not None or limit.gpu_hours is not None:
        mine += ledger.pruned_under(parent)
    seconds = (r.data.metrics.get(TOTAL_SECONDS, 0.0) * float(r.data.tags.get(GPUS, 0)) for r in mine)
    return Spending(limit, trials=len(mine), gpu_seconds=sum(seconds))


def spending_so_far(space: Space, ledger: Ledger, plan_key: str, recorded: Mapping[str, Run]) -> Spending:
    """Return the same of a plan that this command does not open.

    Args:
        plan_key: names the plan; nothing was spent on one that the record does not have.
    """
    parent = find_plan(ledger, space.name, plan_key)
    return spending_of(space, ledger, parent.info.run_id if parent else "", recorded)


def find_plan(ledger: Ledger, space: str, plan_key: str) -> Run | None:
    """Return the parent run of a plan that was begun, or None."""
    return next((run for run in ledger.plans(space) if run.data.tags["plan_key"] == plan_key), None)


def check_budget(budget: Budget, resources: TrialResources) -> None:
    """Refuse GPU-hours where trials use no GPU.

    Raises:
        InputError: they cannot be counted.
    """
    if budget.gpu_hours is not None and not resources.gpus:
        raise InputError(
            "budget.gpu_hours: trials use no GPU here; give a budget of minutes or trials, or `resources: "
            "{gpus: 1}` where there is one"
        )
