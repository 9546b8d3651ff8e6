"""Starts trials in the order in which the feed hands them out."""

from typing import Any

from ray.tune.experiment import Trial as TuneTrial
from ray.tune.schedulers import FIFOScheduler


class InOrder(FIFOScheduler):
    """As Ray's own, which looks through all trials that ever were: 0.5 ms a look where they are 1,000."""

    def choose_trial_to_run(self, tune_controller: Any) -> TuneTrial | None:
        """One that waits, if any does; nothing here pauses a trial."""
        live = tune_controller.get_live_trials()
        return next((trial for trial in live if trial.status == TuneTrial.PENDING), None)
