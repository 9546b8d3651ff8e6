"""The Python API: whatever a command does is a function or a method here."""

import builtins
import logging
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pandas as pd
from mlflow.exceptions import MlflowException

from ablation.models.labeller import Labeller, load_labeller
from ablation.models.robustness import measure_robustness
from ablation.models.winner import register_winner
from ablation.plan.plan import is_recorded
from ablation.record.breakdown import breakdown
from ablation.record.ledger import open_record
from ablation.record.plan_record import read_plan, read_plan_run
from ablation.record.results import NAMED, patients_frame, results_frame
from ablation.report.tables.search import choice_sentences
from ablation.report.tables.summary import never_predicted
from ablation.space.naming import arm_names
from ablation.space.space import read_space
from ablation.store.storage import Storage, public
from ablation.sweep.doctor import examine as doctor
from ablation.sweep.doctor.finding import Finding
from ablation.sweep.preview import Preview, preview
from ablation.sweep.progress import Show, log_now_and_then
from ablation.sweep.run import Ended, run_trials, train_pretrained
from ablation.sweep.workspace import PHANTOM, Request, Workspace, open_workspace
from t1t2core.cohort.split import draw_splits
from t1t2core.cohort.subject import STUDY_SEQUENCES, Sequences
from t1t2core.errors import InputError
from t1t2core.preparation.prepare import PreparedSubject
from t1t2core.presets import PresetName
from t1t2core.settings import TARGET, Sequence

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


class Sweep:
    """A search space with its cohort, checked and ready to run.

    Args:
        request: what the user asked for.

    Raises:
        InputError: something cannot be used; nothing is spent yet.
    """

    def __init__(self, request: Request) -> None:
        self.workspace: Workspace = open_workspace(request)
        self._preview: Preview | None = None

    def plan(self) -> pd.DataFrame:
        """A row a trial, as `plan.csv`, with what is recorded and what would run."""
        return self._previewed().plan

    def forecast(self) -> list[str]:
        """What a run would cost, and how long it would take; a line each."""
        return self._previewed().lines

    def power(self) -> list[str]:
        """What the tests of this plan could show, and what those of other plans could; a line each.

        Where trials of the plan are recorded, their spread tells it in Dice.
        """
        return _power(self.workspace, self.plan())

    def run(self, show: Show | None = None) -> SweepResult:
        """Run every trial that is not recorded, record it, and write the report.

        Args:
            show: is given the line that tells how far the trials are, whenever it changes; the log, now and
                then, unless given.
        """
        ended = run_trials(
            self.workspace,
            show or log_now_and_then(),
            partial(_registration_picture, sequences=self.workspace.cohort.sequences),
        )
        return _report(self.workspace, ended)

    def _previewed(self) -> Preview:
        if self._preview is None:
            self._preview = preview(self.workspace)
        return self._preview


def open(  # noqa: A001 - as `ablation.open`
    space: str | Path,
    *,
    cohort: str | Path = PHANTOM,
    preset: PresetName | None = None,
    settings: Iterable[str] = (),
    output: str | Path = "runs",
    storage: str | None = None,
    encoder: str | None = None,
    pretrained: Path | None = None,
    tracking_uri: str | None = None,
    address: str | None = None,
    max_concurrent: int | None = None,
    rerun: bool = False,
    join: bool = False,
) -> Sweep:
    """Read and check a search space and its cohort; see `python -m ablation.run --help` for the arguments.

    Args:
        settings: such as `training.max_epochs=3`.

    Raises:
        InputError: something cannot be used.
    """
    return Sweep(
        Request(
            space=Path(space),
            cohort=str(cohort),
            preset=preset,
            overrides=tuple(settings),
            output=Path(output),
            storage=storage,
            encoder=encoder,
            pretrained=pretrained,
            tracking_uri=tracking_uri,
            address=address,
            max_concurrent=max_concurrent,
            rerun=rerun,
            join=join,
        )
    )


def pretrain(request: Request, workers: int = 1) -> tuple[dict[str, str], builtins.list[str]]:
    """Train and publish the pretrained networks that a request needs (see `sweep.run.train_pretrained`)."""
    return train_pretrained(open_workspace(request), workers)


def results(
    name: str, *, output: str | Path = "runs", tracking_uri: str | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What is recorded of a search space: rows of `results.csv` and of `patients.csv`.

    Args:
        name: of the search space.

    Raises:
        InputError: there is no such record.
    """
    record = read_plan(open_record(Path(output), tracking_uri), name)
    every = [*record.records, *record.partial]
    frames = results_frame(every, record.design), patients_frame(every, record.design)
    scores, patients = (frame.drop(columns=NAMED) for frame in frames)
    return scores, patients


def load_model(
    name: str,
    *,
    output: str | Path = "runs",
    storage: str | None = None,
    tracking_uri: str | None = None,
    sequence: Sequence = TARGET,
) -> Labeller:
    """Load recorded networks, to label new scans with.

    Args:
        name: `runs:/ID`, `models:/NAME/VERSION` or `best:SPACE:CLASS`.
        sequence: of the scans.

    Raises:
        InputError: nothing recorded has this name, or its files are not whole.
    """
    ledger = open_record(Path(output), tracking_uri)
    return load_labeller(ledger, Storage(storage or str(Path(output) / "store")), name, sequence)


def write_report(
    space: str | Path,
    *,
    output: str | Path = "runs",
    tracking_uri: str | None = None,
    register: str | None = None,
    robustness: str | None = None,
    cohort: str | None = None,
    storage: str | None = None,
    show: Show | None = None,
) -> tuple[Path, str]:
    """Write tables, figures and the page of a search space from the record alone.

    Args:
        space: its file.
        register: a class whose best arm is registered in MLflow.
        robustness: a class whose best arm, and those beside it, are first tested on changed scans.
        cohort, storage: for that test, where they are not those of the recorded command.
        show: is given the line that tells how far that test is; the log, now and then, unless given.

    Returns:
        The page, and the address of the registered model, empty if none was asked for.

    Raises:
        InputError: nothing of this space is recorded, the class is none, or the cohort is not the recorded
            one.
    """
    # What draws takes a second to import.
    from ablation.report.write import PAGE, write_report

    name = read_space(Path(space)).name
    ledger = open_record(Path(output), tracking_uri)
    plan = read_plan(ledger, name, Path(space))
    if robustness is not None:
        told, place = show or log_now_and_then(), Path(output)
        plan = measure_robustness(
            ledger, plan, robustness, cohort=cohort, output=place, storage=storage, show=told
        )
    write_report(ledger, plan, Path(output) / name)
    address = "" if register is None else register_winner(ledger, plan, register)
    return Path(output) / name / "report" / PAGE, address


def examine(
    *,
    output: str | Path = "runs",
    storage: str | None = None,
    tracking_uri: str | None = None,
    address: str | None = None,
) -> list[Finding]:
    """Look at this machine, at output folder, record and storage, and say what to do.

    Args:
        output: folder for all that a run writes on this machine.
        storage: as `open`.
        tracking_uri: as `open`.
        address: of the Ray cluster, which is joined and looked at; without one Ray is not started.

    Raises:
        InputError: no record can have the address.
    """
    return list(
        doctor.examine(output=Path(output), storage=storage, tracking_uri=tracking_uri, address=address)
    )


def _power(workspace: Workspace, plan: pd.DataFrame) -> list[str]:
    # What makes tests takes a second to import.
    from ablation.report.statistics.plan_power import (
        more_networks,
        recorded_components,
        rotated_sample,
        sample_of,
        tell_power,
    )

    points, design = workspace.points, workspace.space.design
    sample = sample_of(points, workspace.study.splits)
    others = []
    cohort = workspace.settings.cohort
    if workspace.request.encoder is None:
        if sample.kind != "rotated" and cohort.split_file is None and cohort.leave_one_out is None:
            rotated = replace(cohort, test_patients="rotated")
            others.append(rotated_sample(draw_splits(workspace.cohort, rotated)))
        if sample.kind != "rotated" and any(point.pretraining_seed is not None for point in points):
            others.append(more_networks(sample, len({point.fold for point in points})))
    components = None
    if recorded := set(plan.loc[plan["status"] == "recorded", "trial_key"]):
        runs = [run for key, run in workspace.ledger.finished().items() if key in recorded]
        records = workspace.ledger.records(runs)
        frames = results_frame(records, design), patients_frame(records, design)
        components = recorded_components(*frames, design)
    arms = arm_names(plan, design).nunique() if len(plan) else 0
    tissue = design.primary.tissue if design.primary else workspace.settings.classes.order[0]
    return tell_power(sample, others, components, arms=arms, design=design, tissue=tissue)


def _registration_picture(prepared: Mapping[str, PreparedSubject], sequences: Sequences) -> bytes | None:
    # What draws takes half a second to import: not before workers have something to do.
    from ablation.report.figures.registration import registration_png

    return registration_png(prepared, sequences)


def _report(workspace: Workspace, ended: Ended) -> SweepResult:
    """Writes the report from the record, and tells what is wrong."""
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
