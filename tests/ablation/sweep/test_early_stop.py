"""Trials that do badly against others of their fold are stopped."""

import json
from types import SimpleNamespace
from typing import Any

from ray.tune.schedulers import TrialScheduler

from ablation.sweep.early_stop import FoldByFold
from ablation.worker.trial import PROGRESS, SCORE


class Race:
    """Trials as Ray Tune hands them to a scheduler."""

    def __init__(self) -> None:
        self.scheduler = FoldByFold()
        self.trials: dict[str, Any] = {}

    def report(self, name: str, fold: int, percent: float, score: float, over: bool = False) -> str:
        if name not in self.trials:
            config = {"point": json.dumps({"fold": fold}), "network": False}
            self.trials[name] = SimpleNamespace(trial_id=name, config=config)
            self.scheduler.on_trial_add(None, self.trials[name])
        result = {PROGRESS: percent, SCORE: score, "over": over}
        return self.scheduler.on_trial_result(None, self.trials[name], result)


def test_the_worse_half_is_stopped_at_a_quarter() -> None:
    race = Race()
    assert race.report("good", 1, 30, 0.5) == TrialScheduler.CONTINUE
    assert race.report("bad", 1, 20, 0.1) == TrialScheduler.CONTINUE, "not before"
    assert race.report("bad", 1, 30, 0.1) == TrialScheduler.STOP
    assert race.report("better", 1, 30, 0.6) == TrialScheduler.CONTINUE


def test_folds_are_not_compared() -> None:
    race = Race()
    race.report("easy", 1, 30, 0.5)
    assert race.report("hard", 2, 30, 0.1) == TrialScheduler.CONTINUE


def test_what_is_over_or_nearly_so_is_not_stopped() -> None:
    race = Race()
    race.report("good", 1, 100, 0.5, over=True)
    race.report("other", 1, 30, 0.5)
    assert race.report("bad", 1, 100, 0.1, over=True) == TrialScheduler.CONTINUE


def test_what_reports_no_score_is_left_alone() -> None:
    race = Race()
    race.report("untrained", 1, 30, 0.5)
    result = {"over": False}
    assert race.scheduler.on_trial_result(None, race.trials["untrained"], result) == TrialScheduler.CONTINUE
