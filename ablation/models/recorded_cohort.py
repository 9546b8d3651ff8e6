"""The cohort that a plan was recorded with, found again."""

import argparse
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ablation.names import COHORT_FINGERPRINT
from ablation.record.ledger import Ledger
from ablation.record.plan_record import PlanRecord
from ablation.record.settings import SETTINGS_FILE, read_settings
from ablation.store.storage import Storage
from ablation.store.volumes import prepare_cohort
from ablation.sweep.workspace import PHANTOM, examine_cohort, find_cohort
from t1t2core.cohort.subject import Cohort, Subject
from t1t2core.errors import InputError
from t1t2core.preparation.prepare import PreparedSubject
from t1t2core.settings import Settings


@dataclass(frozen=True)
class RecordedCohort:
    """A plan's cohort, with the settings of its first trial and the storage of its volumes."""

    cohort: Cohort
    settings: Settings
    storage: Storage

    @property
    def subjects(self) -> dict[str, Subject]:
        """The subjects by name."""
        return {subject.name: subject for subject in self.cohort.subjects}

    def prepared(self, subjects: Sequence[Subject]) -> dict[str, PreparedSubject]:
        """Return the volumes of some of them by name; those that storage lacks are made."""
        some = replace(self.cohort, subjects=tuple(subjects))
        return prepare_cohort(some, self.settings.preparation, self.storage, lambda *_: None)


def find_recorded_cohort(
    ledger: Ledger, plan: PlanRecord, *, cohort: str | None, output: Path, storage: str | None
) -> RecordedCohort:
    """Find the cohort of a plan whose trials are finished, at least one of them.

    Args:
        cohort: as `--cohort` names it; that of the recorded command, unless given.
        output: of the command.
        storage: likewise the recorded one, or that in `output`.

    Raises:
        InputError: it is not there, or not the recorded one.
    """
    given = _given(plan)
    source = cohort or given.cohort
    first = plan.records[0]
    content = ledger.read_file(first.run_id, SETTINGS_FILE)
    settings = read_settings(content, first.params, source=f"run {first.run_id}")
    elsewhere = "; if the scans have moved, say with --cohort where they are now"
    try:
        found = examine_cohort(find_cohort(source, output, settings.cohort), output)
    except InputError as error:
        raise InputError(f"{error}{elsewhere}") from None
    recorded = first.tags[COHORT_FINGERPRINT]
    if found.fingerprint != recorded:
        raise InputError(
            f"--cohort {source}: not the cohort that {plan.space} was recorded with (fingerprint "
            f"{found.fingerprint[:12]}, recorded {recorded[:12]}): it has other scans or subjects, or they "
            f"have changed{elsewhere}"
        )
    return RecordedCohort(found, settings, recorded_storage(plan, output, storage))


def recorded_storage(plan: PlanRecord, output: Path, storage: str | None) -> Storage:
    """Return the storage of the recorded command, or that in `output`, unless one is given."""
    return Storage(storage or _given(plan).storage or str(output / "store"))


def _given(plan: PlanRecord) -> argparse.Namespace:
    """Return where cohort and storage were by the recorded command."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--cohort", default=PHANTOM)
    parser.add_argument("--storage")
    return parser.parse_known_args(shlex.split(plan.tags.get("command", "")))[0]
