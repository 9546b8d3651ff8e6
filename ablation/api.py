"""The Python API: whatever a command does is a function or a method here."""

import builtins
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from ablation.models import exported, nnunet
from ablation.models.external import score_external
from ablation.models.labeller import Labeller, load_labeller
from ablation.models.recorded_cohort import recorded_storage
from ablation.models.robustness import measure_robustness
from ablation.models.winner import register_winner
from ablation.record.ledger import Ledger, open_record
from ablation.record.plan_record import PlanRecord, read_plan
from ablation.record.results import NAMED, patients_frame, results_frame
from ablation.report.sweep_result import SweepResult, report_sweep
from ablation.space.space import read_space
from ablation.store.storage import Storage
from ablation.sweep.doctor import examine as doctor
from ablation.sweep.doctor.finding import Finding
from ablation.sweep.preview import Preview, preview
from ablation.sweep.progress import Show, log_now_and_then
from ablation.sweep.run import run_trials, train_pretrained
from ablation.sweep.survey import survey
from ablation.sweep.workspace import PHANTOM, Request, Workspace, open_workspace
from t1t2core.cohort.subject import Sequences
from t1t2core.preparation.prepare import PreparedSubject
from t1t2core.preparation.survey import Survey
from t1t2core.presets import PresetName
from t1t2core.settings import TARGET, Sequence

CHECK_FOLDER = "check"
"""Under the output folder: what was found in a cohort."""


class Sweep:
    """A search space with its cohort, checked and ready to run.

    Args:
        request: what the user asked for.

    Raises:
        InputError: something cannot be used; nothing is spent yet.
    """

    def __init__(self, request: Request) -> None:
        self.workspace: Workspace = _open(request)
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
        # What makes tests takes a second to import.
        from ablation.report.power import power_of

        return power_of(self.workspace, self.plan())

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
        return report_sweep(self.workspace, ended)

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
    return train_pretrained(_open(request), workers)


def _open(request: Request) -> Workspace:
    """Look at the folders that a request names, then at all else."""
    doctor.check_before_run(request)
    return open_workspace(request)


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
    every = [*record.compared, *record.partial]
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
    external: Iterable[str] = (),
    cohort: str | None = None,
    storage: str | None = None,
    show: Show | None = None,
) -> tuple[Path, str]:
    """Write tables, figures and the page of a search space from the record alone.

    Args:
        space: its file.
        register: a class whose best arm is registered in MLflow.
        robustness: a class whose best arm, and those beside it, are first tested on changed scans.
        external: `NAME=DIR` each, folders of label maps that something else made, scored as further arms.
        cohort, storage: for these, where they are not those of the recorded command.
        show: is given the line that tells how far these are; the log, now and then, unless given.

    Returns:
        The page, and the address of the registered model, empty if none was asked for.

    Raises:
        InputError: nothing of this space is recorded, the class is none, or the cohort is not the recorded
            one.
    """
    # What draws takes a second to import.
    from ablation.report.write import PAGE, write_report

    ledger, plan = _recorded(space, output, tracking_uri)
    where: dict[str, Any] = {"cohort": cohort, "output": Path(output), "storage": storage}
    if robustness is not None:
        plan = measure_robustness(ledger, plan, robustness, **where, show=show or log_now_and_then())
    if names := list(external):
        plan = score_external(ledger, plan, names, **where, show=show or log_now_and_then())
    write_report(ledger, plan, Path(output) / plan.space)
    address = "" if register is None else register_winner(ledger, plan, register)
    return Path(output) / plan.space / "report" / PAGE, address


@dataclass(frozen=True, kw_only=True)
class CohortCheck:
    """What was found in a cohort.

    Args:
        survey: who can be used, who cannot and why, and what else would stop a study.
        table: a row a subject, as `subjects.csv` beside the page.
        page: of pictures.
    """

    survey: Survey
    table: pd.DataFrame
    page: Path


def check_cohort(
    cohort: str | Path,
    *,
    space: str | Path | None = None,
    preset: PresetName | None = None,
    settings: Iterable[str] = (),
    output: str | Path = "runs",
) -> CohortCheck:
    """Look at all that a run would refuse in a cohort; write a table and a page of pictures, `OUTPUT/check`.

    Args:
        cohort, preset, settings, output: as `open`.
        space: whose settings count, and whose folds and training sizes are looked for.

    Raises:
        InputError: there is no such cohort, or the space or a setting cannot be used.
    """
    # What draws takes a second to import.
    from ablation.report.cohort import write_cohort_check

    request = Request(
        space=None if space is None else Path(space),
        cohort=str(cohort),
        preset=preset,
        overrides=tuple(settings),
        output=Path(output),
    )
    found = survey(request)
    table, page = write_cohort_check(found, request.cohort, request.output / CHECK_FOLDER)
    return CohortCheck(survey=found, table=table, page=page)


def _recorded(space: str | Path, output: str | Path, tracking_uri: str | None) -> tuple[Ledger, PlanRecord]:
    """Open the record, and read what it has of a search space."""
    ledger = open_record(Path(output), tracking_uri)
    return ledger, read_plan(ledger, read_space(Path(space)).name, Path(space))


def export_nnunet(
    space: str | Path,
    folder: str | Path,
    *,
    output: str | Path = "runs",
    tracking_uri: str | None = None,
    cohort: str | None = None,
    storage: str | None = None,
    show: Show | None = None,
) -> None:
    """Write the target scans and the folds of a recorded plan as a dataset of nnU-Net v2.

    Args:
        space: its file.
        folder: a new one.
        cohort, storage: where they are not those of the recorded command.
        show: is given the line that tells how far it is; the log, now and then, unless given.

    Raises:
        InputError: nothing of this space is recorded, or the cohort is not the recorded one.
    """
    ledger, plan = _recorded(space, output, tracking_uri)
    where: dict[str, Any] = {"cohort": cohort, "output": Path(output), "storage": storage}
    nnunet.export_nnunet(ledger, plan, Path(folder), **where, show=show or log_now_and_then())


def export_model(
    space: str | Path,
    folder: str | Path,
    form: exported.Form,
    *,
    best_for: str | None = None,
    output: str | Path = "runs",
    tracking_uri: str | None = None,
    storage: str | None = None,
) -> Path:
    """Write the networks of a recorded plan's best arm, which vote, for other programs.

    Args:
        space: its file.
        folder: a new one.
        form: a bundle of MONAI, or one ONNX file.
        best_for: the class that the arm labels best on validation; the first one, unless given.
        storage: where it is not that of the recorded command.

    Returns:
        The folder.

    Raises:
        InputError: nothing of this space is recorded, there is no such class, or the networks have no such
            form.
    """
    ledger, plan = _recorded(space, output, tracking_uri)
    store = recorded_storage(plan, Path(output), storage)
    return exported.export_model(ledger, plan, store, Path(folder), form, best_for)


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


def _registration_picture(prepared: Mapping[str, PreparedSubject], sequences: Sequences) -> bytes | None:
    # What draws takes half a second to import: not before workers have something to do.
    from ablation.report.figures.registration import registration_png

    return registration_png(prepared, sequences)
