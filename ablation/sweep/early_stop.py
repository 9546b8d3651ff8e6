"""Stops trials early that do badly against others of their fold."""

import json
from typing import Any

from ray.tune.experiment import Trial as TuneTrial
from ray.tune.schedulers import ASHAScheduler, TrialScheduler

from ablation.sweep.scheduler import InOrder
from ablation.worker.trial import PROGRESS, SCORE

FIRST_PERCENT = 25
"""Part of its training that every trial gets; then the better half goes on, and again after twice as much."""
LAST_PERCENT = 75
"""Part after which nothing is stopped any more: too little would be saved."""
HALVING = 2


class FoldByFold(InOrder):
    """Asynchronous successive halving (Li et al. 2020), each fold for itself.

    Folds differ in their patients, so that scores of two folds say little about two arms. Progress counts in
    percent, since epochs differ in length between arms.
    """

    def __init__(self) -> None:
        super().__init__()
        self._folds: dict[int, ASHAScheduler] = {}

    def on_trial_add(self, tune_controller: Any, trial: TuneTrial) -> None:
        """Enter a trial into the race of its fold; the training of a pretrained network runs against none."""
        if not trial.config["network"]:
            self._of(trial).on_trial_add(tune_controller, trial)

    def on_trial_result(self, tune_controller: Any, trial: TuneTrial, result: dict[str, Any]) -> str:
        """Whether the trial goes on."""
        if result["over"] or trial.config["network"]:
            return str(TrialScheduler.CONTINUE)
        return str(self._of(trial).on_trial_result(tune_controller, trial, result))

    def on_trial_complete(self, tune_controller: Any, trial: TuneTrial, result: dict[str, Any]) -> None:
        """Let its score count for others of its fold."""
        if trial.config["network"]:
            return
        self._of(trial).on_trial_complete(tune_controller, trial, result)

    def _of(self, trial: TuneTrial) -> ASHAScheduler:
        fold = json.loads(trial.config["point"])["fold"]
        if fold not in self._folds:
            self._folds[fold] = ASHAScheduler(
                time_attr=PROGRESS,
                metric=SCORE,
                mode="max",
                grace_period=FIRST_PERCENT,
                max_t=LAST_PERCENT,
                reduction_factor=HALVING,
                stop_last_trials=False,
            )
        return self._folds[fold]
