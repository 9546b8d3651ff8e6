"""Whether other drivers are at work on a record.

A driver that is alone need not look for other claims to a trial, and looking takes longer the more trials
are recorded. So each driver leaves a tag with its name and heartbeat at the experiment it works in; all of
them are read at once, however many trials there are.
"""

import time

from mlflow.exceptions import MlflowException

from ablation.names import DRIVER, HEARTBEAT
from ablation.plan.digest import digest_of
from ablation.record.driver import may_be_live
from ablation.record.trials import TrialRuns

LEFT = "left"
"""Value of the tag of a driver that has ended; it stays there, so that nobody comes and goes unseen."""


class OtherDrivers:
    """Tells others that this driver is there, and sees whether they are.

    Of two drivers that claim a trial at least one knows of the other and looks for its claim: each leaves its
    tag and looks for runs under way before it makes a run for a trial, reads the tags of others after that,
    and renews its own before it looks at the runs of a trial.

    Args:
        lease_seconds: see `ablation.record.driver.is_live`.
    """

    def __init__(self, ledger: TrialRuns, experiment_id: str, lease_seconds: float) -> None:
        self._ledger, self._experiment = ledger, experiment_id
        self._lease = lease_seconds
        self._tag = f"{DRIVER}.{digest_of(ledger.driver)[:16]}"
        self.announce()
        self.absent = not self._are_there(forget=True) and not ledger.others_at_work(lease_seconds)

    def announce(self) -> None:
        """Say that this driver is there."""
        value = f"{self._ledger.driver} {time.time():.3f}"
        self._ledger.tag_experiment(self._experiment, self._tag, value)

    def leave(self) -> None:
        """Say that this driver has ended."""
        self._ledger.tag_experiment(self._experiment, self._tag, LEFT)

    def look(self) -> bool:
        """Whether others are absent still; once one has come, they do not count as absent again."""
        self.absent = self.absent and not self._are_there()
        return self.absent

    def _are_there(self, *, forget: bool = False) -> bool:
        """Whether there are tags of other drivers; those that are gone can be forgotten first."""
        there = False
        for experiment, tags in self._ledger.experiment_tags().items():
            for name in [name for name in tags if name.startswith(f"{DRIVER}.")]:
                if (experiment, name) == (self._experiment, self._tag):
                    continue
                if forget and not _may_be_there(tags[name], self._lease):
                    self._forget(experiment, name)
                else:
                    there = True
        return there

    def _forget(self, experiment: str, name: str) -> None:
        try:
            self._ledger.untag_experiment(experiment, name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":  # another driver has forgotten it
                raise


def are_at_work(ledger: TrialRuns, experiment_id: str, lease_seconds: float) -> bool:
    """Return whether drivers are at work in an experiment."""
    tags = ledger.experiment_tags().get(experiment_id, {})
    return any(_may_be_there(tags[name], lease_seconds) for name in tags if name.startswith(f"{DRIVER}."))


def _may_be_there(value: str, lease_seconds: float) -> bool:
    driver, _, beaten = value.rpartition(" ")
    return value != LEFT and may_be_live({DRIVER: driver, HEARTBEAT: beaten}, lease_seconds)
