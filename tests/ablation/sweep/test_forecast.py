"""How much is still to be run, how long that takes, and what it comes to."""

import math
from dataclasses import replace
from typing import Any

import pytest

from ablation.plan.plan import Trial
from ablation.search.budget import Spending
from ablation.space.resources import Resources
from ablation.space.search_settings import Budget
from ablation.sweep.forecast import Forecast, forecast_grid, forecast_search
from ablation.sweep.workspace import NO_SPACE
from tests.builders.candidates import LISTS, RANGES
from tests.builders.trials import plan, plan_on_networks

PLAN = plan([point for candidate in LISTS.everything or () for point in LISTS.points(candidate)])


class TenSeconds:
    """Each trial takes ten seconds, each pretrained network that is not there yet a minute."""

    def all_seconds(self, trials: Any) -> list[float]:
        return [10.0] * len(trials)

    def networks_seconds(self, trials: Any) -> list[float]:
        return [60.0 for _ in {trial.recipe for trial in trials if not isinstance(trial, Trial)}]


ESTIMATOR: Any = TenSeconds()


def test_a_plan_ends_with_its_trials_and_time() -> None:
    forecast = forecast_grid(PLAN, PLAN[9:], Spending(Budget()), ESTIMATOR)
    assert forecast.lines(NO_SPACE, slots=2) == ["21 trials: 9 recorded, 12 to run, about 0:01:00"]


def test_the_time_is_with_the_t1_networks_that_are_to_be_trained() -> None:
    waiting = plan_on_networks([trial.point for trial in PLAN[:6]], {})
    forecast = forecast_grid(waiting, waiting, Spending(Budget()), ESTIMATOR)
    (line,) = forecast.lines(NO_SPACE, slots=2)
    assert line == "6 trials: 0 recorded, 6 to run, about 0:02:00 with the pretrained networks"


def test_a_budget_reaches_no_further() -> None:
    forecast = forecast_grid(PLAN, PLAN[9:], Spending(Budget(trials=3)), ESTIMATOR)
    assert (forecast.trials, forecast.to_run) == (12, 3)
    minutes = replace(NO_SPACE, budget=Budget(minutes=0.5))
    assert Forecast(21, 0, [10.0] * 21).seconds(minutes, 1) == 30


def test_costs_are_told_where_the_price_is_known() -> None:
    priced = replace(NO_SPACE, resources=Resources(gpus=0.5, price_per_hour=4))
    assert Forecast(720, 0, [10.0] * 720).lines(priced, slots=2)[:2] == [
        "about 1.00 GPU-hours",
        "about 4.00, at 4 an hour of a GPU",
    ]
    machine = replace(NO_SPACE, resources=Resources(gpus=0, price_per_hour=4))
    assert (
        Forecast(720, 0, [10.0] * 720).lines(machine, slots=2)[0] == "about 4.00, at 4 an hour of a machine"
    )


@pytest.mark.parametrize(
    ("among", "budget", "to_run"),
    [
        (RANGES, Budget(trials=30), 30),
        (LISTS, Budget(trials=99), 21),
        (LISTS, Budget(trials=6), 6),
        (RANGES, Budget(gpu_hours=1), 360),
        (RANGES, Budget(minutes=1), 12),
    ],
)
def test_a_search_runs_as_far_as_its_budget_or_its_space(among: Any, budget: Budget, to_run: int) -> None:
    forecast = forecast_search([], {}, PLAN, among, Spending(budget), ESTIMATOR, slots=2, gpus=1)
    assert (forecast.trials, forecast.recorded, forecast.to_run) == (to_run, 0, to_run)
    # Where only time ends it, an estimate that is too long must not leave GPUs idle.
    by_time = budget.gpu_hours is not None or budget.minutes is not None
    assert forecast.most == (math.inf if by_time else to_run)


def test_what_a_search_has_recorded_counts_as_such() -> None:
    recorded = {trial.key for trial in PLAN[:6]}
    spending = Spending(Budget(trials=9), trials=6)
    forecast = forecast_search(PLAN[:6], recorded, PLAN, LISTS, spending, ESTIMATOR, slots=1, gpus=0)
    assert (forecast.trials, forecast.recorded, forecast.to_run) == (9, 6, 3)
