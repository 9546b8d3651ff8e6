"""From a request to recorded trials: what the commands do."""

import os
import platform
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version

import pandas as pd
import ray
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from ablation.cluster import connect, request_of, slots_of
from ablation.encoder_store import EncoderRecipe
from ablation.estimate import Estimator
from ablation.fingerprint import digest_of
from ablation.names import trial_names
from ablation.plan import Trial, make_plan, recipes_of
from ablation.preflight import check_step, largest
from ablation.pretraining import Pretrainer, PretrainingFailedError, check_room, check_workers
from ablation.pretraining_record import PretrainingRecord
from ablation.progress import LiveLine, clock
from ablation.recorder import Recorder
from ablation.report.figures.registration import registration_png
from ablation.report.plan_record import (
    PLAN_FILE,
    REGISTRATION_FILE,
    SPACE_FILE,
    SUBJECTS_FILE,
    read_plan_run,
)
from ablation.report.summary import never_predicted, render, summarise
from ablation.report.write import PAGE, write_report
from ablation.storage import first_line, public
from ablation.sweep import SweepResult, run_sweep
from ablation.tables import plan_frame, render_plan, subjects_frame, write_table
from ablation.terminal import FAILED, INTERRUPTED, breakdown, say, show
from ablation.trial import Shared
from ablation.volumes import prepare_cohort
from ablation.workspace import Request, Workspace, git_commit, open_workspace
from t1t2core.cohort.roles import count_overlap
from t1t2core.errors import InputError
from t1t2core.preparation.prepare import PreparedSubject
from t1t2core.version import SCIENCE_VERSION

MOST_LISTED = 20
"""Reused trials that a plan's description links to; MLflow keeps 8,000 characters."""
LIBRARIES = ("torch", "ray", "mlflow", "numpy")
"""Whose versions the record keeps."""


def show_plan(request: Request) -> int:
    """Writes `plan.csv` and says what would run and for how long. Gives the exit status."""
    workspace = open_workspace(request, say)
    recipes = recipes_of(workspace.points, workspace.study)
    plan = make_plan(workspace.points, workspace.study, workspace.known_encoders(recipes))
    recorded = _recorded(workspace)
    waiting = sum(trial.key not in recorded for trial in plan)
    slots = max(1, min(request.max_concurrent or int(_cores() // workspace.space.resources.cpus), waiting))
    frame = _write_plan(workspace, plan, recorded)
    show(render_plan(frame, workspace.space.name))
    to_run = frame[frame["status"] == "to_run"]
    seconds = to_run["estimated_seconds"].sum() / slots
    done = len(plan) - len(to_run)
    print(f"{len(plan)} trials: {done} recorded, {len(to_run)} to run, about {clock(seconds)}")
    return 0


def run_plan(request: Request) -> int:
    """Runs what is not recorded yet, writes the tables, prints the last of them. Gives the exit status."""
    workspace = open_workspace(request, say)
    known = workspace.known_encoders(recipes_of(workspace.points, workspace.study))
    plan = make_plan(workspace.points, workspace.study, known)
    recorded: Mapping[str, Run] = {}
    result = SweepResult()
    try:
        with connect(workspace.address):
            resources = request_of(workspace.space.resources)
            prepared = _prepare(workspace)
            references = {name: ray.put(subject) for name, subject in prepared.items()}
            plan = _plan_with_encoders(workspace, known, references, resources)
            recorded = _recorded(workspace)
            checks = registration_png(prepared)
            result = _run(workspace, plan, recorded, references, resources, checks)
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
    folds = {p.fold for p in workspace.points} or {split.fold for split in workspace.study.splits}
    recipes = list(dict.fromkeys(workspace.study.recipe(fold) for fold in sorted(folds)))
    with connect(workspace.address):
        resources = request_of(workspace.space.resources)
        check_room(workers, resources)
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
        record=PretrainingRecord(workspace.ledger, _trial_tags(workspace), recovery.lease_seconds),
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
    write_table(subjects_frame(workspace.cohort, splits, prepared), workspace.folder / "subjects.csv")
    folds = [count_overlap(split)["t2_training_in_t1_training"] for split in splits]
    say(
        f"overlap {workspace.settings.cohort.overlap}: T2 training patients who also train T1, a fold: "
        f"{', '.join(map(str, folds))}; T2 test patients who do: "
        f"{', '.join(str(count_overlap(split)['t2_test_in_t1_training']) for split in splits)}"
    )
    return prepared


def _plan_with_encoders(
    workspace: Workspace,
    known: Mapping[EncoderRecipe, str],
    references: Mapping[str, ray.ObjectRef],
    resources: dict[str, float],
) -> list[Trial]:
    if workspace.request.encoder is not None:
        return make_plan(workspace.points, workspace.study, known)
    recipes = recipes_of(workspace.points, workspace.study)
    trained = _pretrainer(workspace, references, resources, workers=1).ensure(recipes)
    return make_plan(workspace.points, workspace.study, trained)


def _run(
    workspace: Workspace,
    plan: list[Trial],
    recorded: Mapping[str, Run],
    references: dict[str, ray.ObjectRef],
    resources: dict[str, float],
    checks: bytes | None,
) -> SweepResult:
    """Runs what is not recorded, under the plan's parent run, which keeps the picture of the alignment."""
    seconds = dict(zip(plan, _write_plan(workspace, plan, recorded)["estimated_seconds"], strict=True))
    # The longest first, so that none of them runs alone at the end.
    to_run = sorted((t for t in plan if t.key not in recorded), key=lambda t: -seconds[t])
    shared = _share(workspace, to_run, references, resources)
    share = max((check_step(t, shared, resources) for t in largest(to_run, workspace.settings)), default=1.0)
    if workspace.space.resources.gpus == "auto":
        resources = {**resources, "gpu": min(resources["gpu"], share)}
        if 0 < resources["gpu"] < 1:
            say(f"trials that share a GPU, by the memory of the largest: {1 / resources['gpu']:.0f}")
    slots = min(workspace.request.max_concurrent or slots_of(resources), len(to_run) or 1)
    expected = sum(seconds[trial] for trial in to_run) / slots
    recorder = _open_record(workspace, plan, checks)
    recorder.tidy(recorded)
    result = SweepResult(interrupted=True)
    with LiveLine(len(to_run), expected) as line:
        try:
            if to_run:
                recovery = workspace.space.recovery
                result = run_sweep(to_run, shared, recorder, resources, recovery, line, slots=slots)
            else:
                result = SweepResult()
        finally:
            status = "KILLED" if result.interrupted else "FAILED" if result.failed else "FINISHED"
            recorder.close(status, _note(plan, recorded, result), patient=not result.interrupted)
            result.parent = recorder.parent
            for key, cause in recorder.undelivered.items():
                result.finished.discard(key)
                result.failed[recorder.names[key]] = f"{cause}; given again, the command records it"
    return result


def _open_record(workspace: Workspace, plan: Sequence[Trial], checks: bytes | None) -> Recorder:
    """The plan's parent run, with nothing left under it from a run that was broken off.

    Raises:
        InputError: the record cannot be written.
    """
    ledger, keys = workspace.ledger, [trial.key or "" for trial in plan]
    lease = workspace.space.recovery.lease_seconds
    name = workspace.space.name
    try:
        experiment = ledger.experiment(name)
        ledger.clear_unfinished(keys, lease)
        parent = ledger.open_plan(experiment, digest_of(sorted(keys)), name, _plan_tags(workspace))
        ledger.keep_files(parent, _plan_files(workspace, checks))
    except (MlflowException, OSError) as error:
        cause = first_line(error)
        raise InputError(f"tracking address {ledger.tracking_uri} cannot be written: {cause}") from error
    return Recorder(
        ledger=ledger,
        storage=workspace.storage,
        experiment_id=experiment,
        parent=parent,
        settings=workspace.settings,
        tags=_trial_tags(workspace),
        replaces=ledger.finished() if workspace.request.rerun else {},
        names=dict(zip(keys, trial_names([trial.point for trial in plan]), strict=True)),
        lease_seconds=lease,
    )


def _share(
    workspace: Workspace,
    trials: Sequence[Trial],
    references: dict[str, ray.ObjectRef],
    resources: dict[str, float],
) -> Shared:
    """What the trials read, in the object store."""
    return Shared(
        trials={trial.key or "": trial for trial in trials},
        subjects=references,
        encoders=_share_encoders(workspace, trials),
        settings=workspace.settings,
        precision=workspace.study.precision,
        storage=workspace.storage.address,
        threads=max(1, int(resources["cpu"])),
        checkpoint_seconds=workspace.space.recovery.checkpoint_seconds,
    )


def _share_encoders(workspace: Workspace, trials: Sequence[Trial]) -> dict[str, ray.ObjectRef]:
    """Each T1 network fetched once, checked, and put into the object store as plain arrays."""
    digests = sorted({trial.encoder for trial in trials if trial.encoder})
    fetched = {digest: workspace.encoders.fetch(digest, workspace.settings.network) for digest in digests}
    return {
        digest: ray.put({name: tensor.numpy() for name, tensor in encoder.weights.items()})
        for digest, encoder in fetched.items()
    }


def _report(workspace: Workspace, plan: list[Trial], recorded: Mapping[str, Run], result: SweepResult) -> int:
    """Writes the tables from the record, prints the last of them. Gives the exit status."""
    try:
        recorded_now = _write_report(workspace, plan, result.parent)
    except (MlflowException, OSError) as error:
        say(f"the report could not be written: {breakdown(error)}")
        recorded_now = len(recorded) + len(result.finished)
    for name, cause in result.failed.items():
        say(f"failed: {name}: {cause}")
    if result.stopped:
        say(f"stopped: {result.stopped}")
    if result.interrupted or result.stopped:
        say(f"the same command goes on where it stopped: {_command()}")
    reused = sum(trial.key in recorded for trial in plan) + len(result.reused)
    not_started = max(0, len(plan) - recorded_now - len(result.failed))
    end = f", {not_started} not started" if not_started else ""
    print(f"{len(plan)} trials: {recorded_now} finished ({reused} reused), {len(result.failed)} failed{end}")
    return INTERRUPTED if result.interrupted else FAILED if result.failed or not_started else 0


def _write_report(workspace: Workspace, plan: list[Trial], parent: str) -> int:
    """Writes the report from the record, shows its first table. Gives the number of recorded trials."""
    if not parent:
        return len({trial.key for trial in plan} & workspace.ledger.finished().keys())
    record = read_plan_run(workspace.ledger, workspace.ledger.client.get_run(parent))
    results = write_report(workspace.ledger, record, workspace.folder)
    if not results.empty:
        show(render(summarise(results), f"{workspace.space.name}: mean test DSC"))
        for sentence in never_predicted(results):
            say(f"warning: {sentence}")
        say(f"report: {workspace.folder / 'report' / PAGE}")
    return len(record.records)


def _recorded(workspace: Workspace) -> dict[str, Run]:
    return {} if workspace.request.rerun else workspace.ledger.finished()


def _write_plan(workspace: Workspace, plan: Sequence[Trial], recorded: Mapping[str, Run]) -> pd.DataFrame:
    """Writes `plan.csv` and gives it."""
    estimator = Estimator(workspace.settings, workspace.study.precision, list(recorded.values()))
    seconds = [estimator.seconds(trial, trial.point.t2_train_size or 0) for trial in plan]
    frame = plan_frame(plan, set(recorded), seconds)
    write_table(frame, workspace.folder / "plan.csv")
    return frame


def _plan_tags(workspace: Workspace) -> dict[str, str]:
    overlap = {
        f"overlap.fold_{split.fold}.{name}": str(number)
        for split in workspace.study.splits
        for name, number in count_overlap(split).items()
    }
    return {
        **_trial_tags(workspace),
        **overlap,
        "command": _command(),
        "machine": platform.platform(),
        "version": f"{version('t1t2-ablation')}, science {SCIENCE_VERSION}",
        "libraries": ", ".join(f"{name} {version(name)}" for name in LIBRARIES),
        "cohort": workspace.cohort.name,
        "simulated": str(workspace.cohort.simulated),
        "preset": workspace.preset,
        "overrides": " ".join(workspace.request.overrides),
    }


def _plan_files(workspace: Workspace, checks: bytes | None) -> dict[str, bytes]:
    """What the parent run keeps, so that the report can be made from the record alone."""
    files = {
        PLAN_FILE: (workspace.folder / PLAN_FILE).read_bytes(),
        SUBJECTS_FILE: (workspace.folder / SUBJECTS_FILE).read_bytes(),
        SPACE_FILE: workspace.space.source.read_bytes(),
        REGISTRATION_FILE: checks,
    }
    return {name: content for name, content in files.items() if content is not None}


def _trial_tags(workspace: Workspace) -> dict[str, str]:
    return {"cohort_fingerprint": workspace.study.cohort_fingerprint, "git_commit": git_commit()}


def _note(plan: Sequence[Trial], recorded: Mapping[str, Run], result: SweepResult) -> str:
    reused = [recorded[trial.key] for trial in plan if trial.key and trial.key in recorded]
    ended = f"{len(result.finished)} finished, {len(reused)} reused, {len(result.failed)} failed"
    lines = [f"{len(plan)} trials: {ended}"]
    if reused:
        lines += [
            "",
            f"Reused, the first {MOST_LISTED} of {len(reused)}:" if len(reused) > MOST_LISTED else "Reused:",
        ]
        lines += [""]
        lines += [
            f"- [{run.info.run_name}](#/experiments/{run.info.experiment_id}/runs/{run.info.run_id})"
            for run in reused[:MOST_LISTED]
        ]
    return "\n".join(lines)


def _command() -> str:
    return public(" ".join(["python -m ablation.run", *sys.argv[1:]]))


def _cores() -> int:
    return os.cpu_count() or 1
