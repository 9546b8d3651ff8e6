"""From a request to recorded trials: what the commands do."""

import os
import shlex
from collections.abc import Mapping

import ray
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from ablation.budget import Spending
from ablation.cluster import LOCAL, connect, device_of, request_of, slots_of
from ablation.encoder_store import EncoderRecipe
from ablation.forecast import forecast_grid, forecast_search, gpus_of
from ablation.plan import Trial, make_plan, recipes_of
from ablation.plan_run import PlanRun, estimator_of, write_plan
from ablation.pretraining import Pretrainer, PretrainingFailedError, check_room, check_workers
from ablation.pretraining_record import PretrainingRecord
from ablation.provenance import given_command, machine_warnings, trial_tags
from ablation.report.choice import choice_sentences
from ablation.report.plan_record import read_plan_run
from ablation.report.summary import never_predicted, render, summarise
from ablation.search_run import candidates_of, search_so_far
from ablation.storage import public
from ablation.sweep import SweepResult
from ablation.tables import render_plan, subject_warnings, subjects_frame, warning_lines, write_table
from ablation.terminal import FAILED, INTERRUPTED, breakdown, say, show
from ablation.volumes import prepare_cohort
from ablation.workspace import Request, Workspace, open_workspace
from t1t2core.cohort.roles import count_overlap
from t1t2core.errors import InputError
from t1t2core.preparation.prepare import PreparedSubject


def show_plan(request: Request) -> int:
    """Writes `plan.csv` and says what would run and for how long. Gives the exit status."""
    workspace = open_workspace(request, say)
    if workspace.address == LOCAL:
        _show_plan(workspace, max(1, int((os.cpu_count() or 1) // workspace.space.resources.cpus)))
        return 0
    with connect(workspace.address):
        resources = request_of(workspace.space.resources)
        _show_plan(workspace.on(device_of(resources)), slots_of(resources))
    return 0


def _show_plan(workspace: Workspace, slots: int) -> None:
    """As `show_plan`, for so many trials at once unless the request says how many."""
    slots = workspace.request.max_concurrent or slots
    known = workspace.known_encoders(recipes_of(workspace.points, workspace.study))
    recorded = _recorded(workspace)
    estimator = estimator_of(workspace, recorded)
    plan = make_plan(workspace.points, workspace.study, known)
    if workspace.space.search.samples:
        corners = plan
        plan, spending = search_so_far(workspace, known, recorded)
        forecast = forecast_search(
            plan,
            recorded,
            corners,
            candidates_of(workspace),
            spending,
            estimator,
            slots=slots,
            gpus=gpus_of(workspace.space.resources),
        )
    else:
        to_run = [trial for trial in plan if trial.key not in recorded]
        forecast = forecast_grid(plan, to_run, Spending(workspace.space.budget), estimator)
    frame = write_plan(workspace, plan, recorded, estimator)
    if not frame.empty:  # as it is of a search that has sampled nothing yet
        show(render_plan(frame, workspace.space.name))
    for line in forecast.lines(workspace.space, max(1, min(slots, forecast.to_run))):
        print(line)


def run_plan(request: Request) -> int:
    """Runs what is not recorded yet, writes the tables, prints the last of them. Gives the exit status."""
    workspace = open_workspace(request, say)
    known = workspace.known_encoders(recipes_of(workspace.points, workspace.study))
    sampled = workspace.space.search.samples
    plan = [] if sampled else make_plan(workspace.points, workspace.study, known)
    recorded: Mapping[str, Run] = {}
    result = SweepResult()
    try:
        with connect(workspace.address):
            resources = request_of(workspace.space.resources)
            if workspace.address != LOCAL:
                workspace = workspace.on(device_of(resources))
                known = workspace.known_encoders(recipes_of(workspace.points, workspace.study))
            for warning in machine_warnings(workspace):
                say(f"warning: {warning}")
            prepared = _prepare(workspace)
            references = {name: ray.put(subject) for name, subject in prepared.items()}
            encoders = _train_encoders(workspace, known, references, resources)
            recorded = _recorded(workspace)
            sweep = PlanRun(workspace, encoders, recorded, prepared)
            try:
                result = sweep.run(references, resources)
            finally:
                plan = sweep.plan
    except KeyboardInterrupt:
        result.interrupted = True
    except PretrainingFailedError as error:
        result.stopped = str(error)
    except (MlflowException, OSError) as error:
        result.stopped = breakdown(error)
    return _report(workspace, plan, recorded, result)


def pretrain(request: Request, workers: int) -> int:
    """Trains and publishes the T1 networks that the space's folds need. Gives the exit status.

    Args:
        workers: that train a network together.
    """
    workspace = open_workspace(request, say)
    check_workers(workers, workspace.settings.pretraining)
    with connect(workspace.address):
        resources = request_of(workspace.space.resources)
        if workspace.address != LOCAL:
            workspace = workspace.on(device_of(resources))
        check_room(workers, resources)
        folds = {p.fold for p in workspace.points} or {split.fold for split in workspace.study.splits}
        recipes = list(dict.fromkeys(workspace.study.recipe(fold) for fold in sorted(folds)))
        prepared = _prepare(workspace)
        references = {name: ray.put(subject) for name, subject in prepared.items()}
        pretrainer = _pretrainer(workspace, references, resources, workers)
        try:
            digests = pretrainer.ensure(recipes)
        except PretrainingFailedError as error:
            say(str(error))
            return FAILED
    for recipe in recipes:
        print(f"{digests[recipe]} {workspace.encoders.address(digests[recipe])}")
    return FAILED if pretrainer.unrecorded else 0


def _pretrainer(
    workspace: Workspace, references: Mapping[str, ray.ObjectRef], resources: dict[str, float], workers: int
) -> Pretrainer:
    recovery = workspace.space.recovery
    return Pretrainer(
        store=workspace.encoders,
        record=PretrainingRecord(workspace.ledger, trial_tags(workspace), recovery.lease_seconds),
        subjects=references,
        request=resources,
        workers=workers,
        checkpoint_seconds=recovery.checkpoint_seconds,
        say=say,
    )


def _prepare(workspace: Workspace) -> dict[str, PreparedSubject]:
    """All volumes, and what is known of the subjects, before anything is spent on training."""
    prepared = prepare_cohort(
        workspace.cohort,
        workspace.settings.preparation,
        workspace.storage,
        lambda done, total: say(f"preparing: {done} of {total} subjects"),
    )
    splits = workspace.study.splits
    warnings = subject_warnings(workspace.cohort, prepared)
    frame = subjects_frame(workspace.cohort, splits, prepared, warnings)
    write_table(frame, workspace.folder / "subjects.csv")
    for line in warning_lines(warnings):
        say(f"warning: {line}")
    folds = [count_overlap(split)["t2_training_in_t1_training"] for split in splits]
    say(
        f"overlap {workspace.settings.cohort.overlap}: T2 training patients who also train T1, a fold: "
        f"{', '.join(map(str, folds))}; T2 test patients who do: "
        f"{', '.join(str(count_overlap(split)['t2_test_in_t1_training']) for split in splits)}"
    )
    return prepared


def _train_encoders(
    workspace: Workspace,
    known: Mapping[EncoderRecipe, str],
    references: Mapping[str, ray.ObjectRef],
    resources: dict[str, float],
) -> Mapping[EncoderRecipe, str]:
    """Digests of the T1 networks of all folds, those that are not there trained first."""
    if workspace.request.encoder is not None:
        return known
    recipes = recipes_of(workspace.points, workspace.study)
    return _pretrainer(workspace, references, resources, workers=1).ensure(recipes)


def _report(workspace: Workspace, plan: list[Trial], recorded: Mapping[str, Run], result: SweepResult) -> int:
    """Writes the tables from the record, prints the last of them. Gives the exit status."""
    unwritten = False
    try:
        recorded_now = _write_report(workspace, plan, result.parent)
    except (MlflowException, OSError, InputError) as error:
        say(f"the report could not be written: {breakdown(error)}")
        if result.parent:
            say(f"what is recorded stays; once that is mended, `{_report_command(workspace)}` writes it")
        unwritten = True
        done = recorded.keys() | result.finished | result.reused
        recorded_now = sum(trial.key in done for trial in plan)
    for name, cause in result.failed.items():
        say(f"failed: {name}: {cause}")
    if result.stopped:
        say(f"stopped: {result.stopped}")
    if result.interrupted or result.stopped:
        say(f"the same command goes on where it stopped: {given_command()}")
    reused = sum(trial.key in recorded for trial in plan) + len(result.reused)
    pruned = len(result.pruned)
    not_started = max(0, len(plan) - recorded_now - len(result.failed) - pruned)
    end = f", {pruned} pruned" if pruned else ""
    end += f", {not_started} not started" if not_started else ""
    print(f"{len(plan)} trials: {recorded_now} finished ({reused} reused), {len(result.failed)} failed{end}")
    if result.interrupted:
        return INTERRUPTED
    incomplete = result.failed or result.stopped or unwritten or (not_started and not result.spent)
    return FAILED if incomplete else 0


def _write_report(workspace: Workspace, plan: list[Trial], parent: str) -> int:
    """Writes the report from the record, shows its first table. Gives the number of recorded trials."""
    # What draws takes a second to import: not before the trials.
    from ablation.report.write import PAGE, write_report

    if not parent:
        return len({trial.key for trial in plan} & workspace.ledger.finished().keys())
    record = read_plan_run(workspace.ledger, workspace.ledger.client.get_run(parent))
    results = write_report(workspace.ledger, record, workspace.folder)
    if not results.empty:
        show(render(summarise(results), f"{workspace.space.name}: mean test DSC"))
        for sentence in never_predicted(results):
            say(f"warning: {sentence}")
        for sentence in choice_sentences(record):
            print(sentence)
        say(f"report: {workspace.folder / 'report' / PAGE}")
    return record.finished


def _report_command(workspace: Workspace) -> str:
    """What makes the report again."""
    request = workspace.request
    given = ["--space", str(request.space), "--output", str(request.output)]
    given += ["--tracking-uri", request.tracking_uri] if request.tracking_uri else []
    return public(shlex.join(["python", "-m", "ablation.report", *given]))


def _recorded(workspace: Workspace) -> dict[str, Run]:
    return {} if workspace.request.rerun else workspace.ledger.finished()
