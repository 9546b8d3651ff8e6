"""A user says what may be spent; nothing new is started once it is."""

from dataclasses import replace
from typing import Any

import pytest
from mlflow.entities import Run

from ablation.plan.resources import TrialResources
from ablation.record.ledger import Ledger
from ablation.search.budget import Spending, check_budget, spending_of
from ablation.space.search_settings import Budget, Search
from ablation.sweep.workspace import NO_SPACE
from t1t2core.errors import InputError
from tests.builders.recorded_sweeps import add_sweep, factors


class Clock:
    """Seconds that a test sets."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_trials_count_when_they_are_started_and_once() -> None:
    spending = Spending(Budget(trials=2), trials=1)
    assert (spending.trials_left, spending.is_spent) == (1, False)
    spending.begin("a", 0)
    spending.begin("a", 0)
    assert (spending.trials_left, spending.is_spent) == (0, True)
    assert str(spending) == "2 of 2 trials"


def test_minutes_run_from_the_start() -> None:
    clock = Clock()
    spending = Spending(Budget(minutes=2), clock=clock)
    clock.now += 119
    assert not spending.is_spent
    clock.now += 1
    assert spending.is_spent
    assert (spending.trials_left, str(spending)) == (None, "2.0 of 2 minutes")


def test_gpu_hours_are_time_by_share_and_count_while_a_trial_runs() -> None:
    clock = Clock()
    spending = Spending(Budget(gpu_hours=1), gpu_seconds=1800, clock=clock)
    spending.begin("a", 0.5)
    clock.now += 1800
    assert not spending.is_spent
    spending.end("a")
    assert spending.gpu_seconds == 2700
    spending.begin("b", 1)
    clock.now += 900
    assert spending.is_spent, "though b has not ended"


def test_without_a_budget_it_never_ends() -> None:
    spending = Spending(Budget())
    spending.begin("a", 1)
    assert (spending.is_spent, spending.trials_left, str(spending)) == (False, None, "")


def test_gpu_hours_where_trials_use_no_gpu_are_refused() -> None:
    check_budget(Budget(gpu_hours=1), TrialResources(cpus=1, gpus=0.5))
    check_budget(Budget(minutes=1), TrialResources(cpus=1, gpus=0))
    with pytest.raises(InputError, match=r"budget\.gpu_hours: trials use no GPU here"):
        check_budget(Budget(gpu_hours=1), TrialResources(cpus=1, gpus=0))


def test_what_earlier_commands_ran_counts(ledger: Ledger) -> None:
    plan = add_sweep(
        ledger, [factors("open"), factors("open", fold=2), factors("open", fold=3)], unfinished=1
    )
    finished: dict[str, Run] = ledger.finished()
    for run in finished.values():
        ledger.client.set_tag(run.info.run_id, "gpus", "0.5")
    experiment: Any = plan.parent.info.experiment_id
    params, tags = factors("open", fold=3), {"trial_key": "stopped", "encoder_digest": ""}
    stopped = ledger.start_trial(experiment, plan.parent.info.run_id, "stopped", params=params, tags=tags)
    ledger.prune_trial(stopped, {"time/total_seconds": 4.0}, step=1, at=1.0)
    searched = replace(NO_SPACE, search=Search(method="optuna", trials=5))
    spending = spending_of(searched, ledger, plan.parent.info.run_id, ledger.finished())
    assert (spending.trials, spending.trials_left) == (3, 2)
    assert spending.gpu_seconds == 9.0
    assert spending_of(searched, ledger, "another", ledger.finished()).trials == 0
