"""What a run came to: its report is written from the record."""

import logging
import shlex
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from mlflow.exceptions import MlflowException

from ablation.plan.plan import is_recorded
from ablation.record.breakdown import breakdown
from ablation.record.plan_record import read_plan_run
from ablation.report.tables.search import choice_sentences
from ablation.report.tables.summary import never_predicted
from ablation.store.storage import public
from ablation.sweep.run import Ended
from ablation.sweep.workspace import Workspace
from t1t2core.cohort.subject import STUDY_SEQUENCES, Sequences
from t1t2core.errors import InputError

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class SweepResult:
    """What a run of a search space came to.

    Args:
        trials: of the space, of a search those that it has sampled.
        finished: of them, recorded.
        reused: of those, recorded before or by others.
        failed: name and cause of those that failed.
        pruned: stopped early by rule.
        not_started: the others.
        interrupted: the user stopped it.
        stopped: why it was ended early, else empty.
        spent: what was spent of a budget that is used up, else empty.
        results: as `results.csv`; empty where nothing is finished.
        report: the page, if one was written.
        unwritten: why the report could not be written, else empty.
        choice: what a search came to, a sentence each.
        sequences: what its two sequences are called.
    """

    trials: int
    finished: int
    reused: int
    failed: dict[str, str]
    pruned: int
    not_started: int
    interrupted: bool
    stopped: str
    spent: str
    results: pd.DataFrame = field(default_factory=pd.DataFrame)
    report: Path | None = None
    unwritten: str = ""
    choice: tuple[str, ...] = ()
    sequences: Sequences = STUDY_SEQUENCES

    @property
    def complete(self) -> bool:
        """Whether every trial is finished or pruned, or the budget is spent."""
        open_ones = self.not_started and not self.spent
        return not (self.failed or self.stopped or self.unwritten or self.interrupted or open_ones)

    def __str__(self) -> str:
        ended = f"{self.finished} finished ({self.reused} reused), {len(self.failed)} failed"
        ended += f", {self.pruned} pruned" if self.pruned else ""
        ended += f", {self.not_started} not started" if self.not_started else ""
        return f"{self.trials} trials: {ended}"


def report_sweep(workspace: Workspace, ended: Ended) -> SweepResult:
    """Write the report from the record, and tell what is wrong."""
    result, unwritten, written = ended.result, "", _Written()
    try:
        written = _write(workspace, ended)
    except (MlflowException, OSError, InputError) as error:
        unwritten = breakdown(error)
        log.error("the report could not be written: %s", unwritten)
        if result.parent:
            log.error("the trials are recorded; to write it, run `%s`", _report_command(workspace))
        done = ended.recorded.keys() | result.finished | result.reused
        written.finished = sum(is_recorded(trial, done) for trial in ended.plan)
    plan, pruned = ended.plan, len(result.pruned)
    return SweepResult(
        trials=len(plan),
        finished=written.finished,
        reused=sum(is_recorded(trial, ended.recorded) for trial in plan) + len(result.reused),
        failed=result.failed,
        pruned=pruned,
        not_started=max(0, len(plan) - written.finished - len(result.failed) - pruned),
        interrupted=result.interrupted,
        stopped=result.stopped,
        spent=result.spent,
        results=written.results,
        report=written.page,
        unwritten=unwritten,
        choice=written.choice,
        sequences=workspace.cohort.sequences,
    )


@dataclass
class _Written:
    """What was written from the record; `finished` counts the recorded trials."""

    finished: int = 0
    results: pd.DataFrame = field(default_factory=pd.DataFrame)
    page: Path | None = None
    choice: tuple[str, ...] = ()


def _write(workspace: Workspace, ended: Ended) -> _Written:
    # What draws takes a second to import: not before the trials.
    from ablation.report.write import PAGE, write_report

    ledger, parent = workspace.ledger, ended.result.parent
    if not parent:
        done = ledger.finished()
        return _Written(sum(is_recorded(trial, done) for trial in ended.plan))
    record = read_plan_run(ledger, ledger.run(parent))
    results = write_report(ledger, record, workspace.folder)
    if results.empty:
        return _Written(record.finished)
    for sentence in never_predicted(results):
        log.warning(sentence)
    page = workspace.folder / "report" / PAGE
    return _Written(record.finished, results, page, tuple(choice_sentences(record)))


def _report_command(workspace: Workspace) -> str:
    """What makes the report again."""
    request = workspace.request
    given = ["--space", str(request.space), "--output", str(request.output)]
    given += ["--tracking-uri", request.tracking_uri] if request.tracking_uri else []
    return public(shlex.join(["python", "-m", "ablation.report", *given]))
