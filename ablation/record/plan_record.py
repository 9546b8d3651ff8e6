"""All that is recorded about one plan, as a report needs it."""

import difflib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd
from mlflow.entities import Run

from ablation.names import (
    DESIGN,
    ERROR,
    EXTERNAL_FILE,
    PLAN_FILE,
    REGISTRATION_FILE,
    ROBUSTNESS_FILE,
    SEARCH,
    SIMULATED,
    SPACE_FILE,
    SUBJECTS_FILE,
    TRIAL_KEY,
)
from ablation.plan.tables import (
    BETWEEN_WARNINGS,
    NOT_OF_POINTS,
    PRUNED_STATUS,
    WARNINGS,
    read_plan_frame,
    warning_lines,
)
from ablation.record.external import ExternalArm, external_records, unpack_external
from ablation.record.ledger import Ledger
from ablation.record.settings import recorded_classes, setting_text
from ablation.record.space_file import plan_of_file
from ablation.record.trials import Record
from ablation.space.design import STUDY, Design
from ablation.space.factors import REPLICATED
from t1t2core.cohort.subject import Sequences
from t1t2core.errors import InputError
from t1t2core.settings.classes import STUDY_CLASSES, Classes


@dataclass(frozen=True, kw_only=True)
class PlanRecord:
    """A plan and what is recorded of its trials.

    Args:
        space: name of the search space.
        parent: its run in MLflow, whose tags tell where the numbers come from.
        plan: as `plan.csv`: a row a trial.
        records: of the finished trials, in the order of the plan. Of a search only those of candidates all
            of whose trials are finished: others are not to be compared with them.
        partial: of a search, the finished trials of its other candidates.
        failed: name and cause of trials that failed.
        files: of the parent run by name, those that are there.
    """

    space: str
    parent: Run
    plan: pd.DataFrame
    records: list[Record]
    failed: dict[str, str]
    partial: list[Record]
    files: dict[str, bytes]

    @property
    def tags(self) -> Mapping[str, str]:
        """Of the parent run."""
        tags: Mapping[str, str] = self.parent.data.tags
        return tags

    @property
    def missing(self) -> int:
        """Trials that are not recorded as finished and were not given up."""
        return len(self.plan) - self.finished - self.pruned

    @property
    def finished(self) -> int:
        """Trials that are recorded as finished."""
        return len(self.records) + len(self.partial)

    @property
    def pruned(self) -> int:
        """Trials of a search that never ran to an end, by rule."""
        if "status" not in self.plan:
            return 0
        done = {run.tags[TRIAL_KEY] for run in (*self.records, *self.partial)}
        return int(((self.plan["status"] == PRUNED_STATUS) & ~self.plan[TRIAL_KEY].isin(done)).sum())

    @cached_property
    def external_arms(self) -> list[ExternalArm]:
        """Label maps that something else made, scored on the test patients."""
        return unpack_external(self.files.get(EXTERNAL_FILE))

    @cached_property
    def compared(self) -> list[Record]:
        """The records that are compared: of the trials, and those of external arms beside them."""
        return [*self.records, *external_records(self.external_arms, self.records)]

    @property
    def scan_warnings(self) -> list[str]:
        """What a reader should know of the scans, with the subjects that it is about."""
        content = self.files.get(SUBJECTS_FILE)
        frame = pd.read_csv(io.BytesIO(content), dtype=str) if content else pd.DataFrame()
        if WARNINGS not in frame:
            return []
        told = frame.dropna(subset=[WARNINGS])
        return warning_lines(
            {
                name: text.split(BETWEEN_WARNINGS)
                for name, text in zip(told["subject"], told[WARNINGS], strict=True)
            }
        )

    @property
    def design(self) -> Design:
        """Roles of its factors; those of the study where it was recorded before there were others."""
        text = self.tags.get(DESIGN)
        return STUDY if text is None else Design.model_validate_json(text)

    @property
    def objectives(self) -> tuple[str, ...]:
        """Of its search; none for a grid."""
        settings = self.tags.get(SEARCH)
        return () if settings is None else tuple(json.loads(settings)["objective"])

    @property
    def classes(self) -> Classes:
        """Those that its trials are scored on."""
        runs = [*self.records, *self.partial]
        return recorded_classes(runs[0].params) if runs else STUDY_CLASSES

    @property
    def sequences(self) -> Sequences:
        """What its two sequences are called."""
        runs = [*self.records, *self.partial]
        return Sequences(
            **{
                name: setting_text(run.params, f"cohort.{name}")
                for run in runs[:1]
                for name in ("source", "target")
            }
        )

    @property
    def simulated(self) -> bool:
        """Whether the heads are no patients."""
        return self.tags.get(SIMULATED) == "True"


def read_plan(ledger: Ledger, space: str, file: Path | None = None) -> PlanRecord:
    """The plan of this space that was worked on last.

    Args:
        file: of the search space: its own plan, where there are several of the name.

    Raises:
        InputError: there is none; the nearest names are given.
    """
    ledger.check_experiment(space)
    parents = ledger.plans(space)
    if not parents:
        names = ledger.plan_names()
        near = difflib.get_close_matches(space, names) or names
        there = f"; recorded are {', '.join(near)}" if near else "; nothing is recorded there"
        raise InputError(f"no run of a search space named {space} in {ledger.tracking_uri}{there}")
    return read_plan_run(ledger, parents[0] if file is None else plan_of_file(ledger, parents, file))


def read_plan_run(ledger: Ledger, parent: Run) -> PlanRecord:
    """The plan of this parent run.

    Raises:
        InputError: its list of trials is not in the record.
    """
    names = (PLAN_FILE, SUBJECTS_FILE, SPACE_FILE, REGISTRATION_FILE, ROBUSTNESS_FILE, EXTERNAL_FILE)
    files = {name: content for name in names if (content := ledger.read_file(parent.info.run_id, name))}
    if PLAN_FILE not in files:
        raise InputError(
            f"run {parent.info.run_id} ({parent.info.run_name}) has no {PLAN_FILE}; "
            "give the command that made it again, which adds it, or bring the files of the record along: "
            f"they belong at {parent.info.artifact_uri}"
        )
    plan = read_plan_frame(files[PLAN_FILE])
    finished = ledger.finished()
    whole = _whole(plan, finished) if SEARCH in parent.data.tags else plan[TRIAL_KEY]
    runs = [finished[key] for key in whole if key in finished]
    others = [finished[key] for key in plan[TRIAL_KEY] if key in finished and key not in set(whole)]
    failed = {
        run.info.run_name: run.data.tags.get(ERROR, "")
        for run in ledger.failed_under(parent.info.run_id)
        if run.data.tags[TRIAL_KEY] not in finished
    }
    return PlanRecord(
        space=parent.info.run_name,
        parent=parent,
        plan=plan,
        records=ledger.records(runs),
        failed=failed,
        partial=ledger.records(others),
        files=files,
    )


def _whole(plan: pd.DataFrame, finished: Mapping[str, Run]) -> pd.Series:
    """Keys of the trials of candidates all of whose trials are finished."""
    candidate = [name for name in plan.columns if name not in (*REPLICATED, *NOT_OF_POINTS)]
    is_done = plan[TRIAL_KEY].isin(list(finished))
    groups = plan.assign(done=is_done).groupby(candidate, dropna=False, sort=False)["done"]
    return plan[TRIAL_KEY][groups.transform("all")]
