"""What runs of grids and of searches have in common: the parent run, what trials share, the end."""

import json
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial

import pandas as pd
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from ablation.names import PLAN_FILE, PRIMARY, REGISTRATION_FILE, SPACE_FILE, SUBJECTS_FILE
from ablation.plan.plan import PlannedTrial, Trial
from ablation.plan.recipe import EncoderRecipe
from ablation.plan.resources import DeviceKind, Room, TrialResources
from ablation.plan.tables import plan_frame, write_table
from ablation.record.leftovers import tidy
from ablation.record.recorder import Recorder
from ablation.search.budget import Spending, check_budget, spending_of
from ablation.search.source import Source
from ablation.store.storage import first_line
from ablation.sweep.cluster import LOCAL, slots_of
from ablation.sweep.estimate import Estimator
from ablation.sweep.forecast import Forecast
from ablation.sweep.networks import Networks
from ablation.sweep.packing import Packing, pack
from ablation.sweep.preflight import FirstStep, largest
from ablation.sweep.progress import Progress, Show, clock
from ablation.sweep.provenance import plan_tags, trial_tags
from ablation.sweep.sweep import Endings, run_sweep
from ablation.sweep.workspace import Workspace
from ablation.worker.machine import this_machine
from ablation.worker.trial import References, Shared
from t1t2core.errors import InputError

log = logging.getLogger(__name__)

MOST_LISTED = 20
"""Reused trials that a plan's description links to; MLflow keeps 8,000 characters."""


class PlanRun(ABC):
    """A run of the trials that are not recorded, under the plan's parent run.

    Args:
        encoders: digests of the pretrained networks that are there; others are trained for the trials.
        recorded: finished trials by key.
        show: is given the line that tells how far the trials are.
        draw: the picture that the record keeps of the subjects' alignment; None for none.
    """

    def __init__(
        self,
        workspace: Workspace,
        encoders: Mapping[EncoderRecipe, str],
        recorded: Mapping[str, Run],
        show: Show,
        draw: Callable[[], bytes | None],
    ) -> None:
        self._workspace, self._encoders, self._recorded = workspace, encoders, recorded
        self._show, self._draw = show, draw
        self._estimator = estimator_of(workspace, recorded)

    @property
    @abstractmethod
    def plan(self) -> list[PlannedTrial]:
        """All trials that are known so far."""

    def run(
        self, references: Mapping[str, References], networks: Networks, resources: TrialResources
    ) -> Endings:
        """Run it to the end, and tell what it took beside what was expected.

        Args:
            references: to the volumes, by the digest of their preparation.
            resources: that training a pretrained network asks for, and a trial: it less of a GPU where
                several fit on one.
        """
        workspace = self._workspace
        space = workspace.space
        check_budget(space.budget, resources)
        may_run = self._may_run()
        _check_networks(workspace, self._encoders, may_run)
        shared = _share(workspace, references, resources)
        steps = [FirstStep(trial, shared, resources) for trial in largest(may_run)]
        picture = self._draw()  # while workers try these
        self._prepare()
        packing = self._pack(steps, shared, resources, len(may_run))
        shared, of_trials = replace(shared, memory=packing.memory), packing.resources
        recorder = self._open_record(picture)
        spending = spending_of(space, workspace.ledger, recorder.parent, self._recorded)
        slots = workspace.request.max_concurrent or slots_of(of_trials)
        source = self._open_source(recorder, spending, slots)
        forecast = self._forecast(spending, slots, of_trials.gpus)
        # Not by how many a budget of time is thought to reach: estimates may be wrong.
        slots = int(min(slots, max(1, forecast.most, len(forecast.networks))))
        progress = Progress(forecast.each, forecast.seconds(space, slots), self._show, forecast.networks)
        room = Room(of_trials, resources, slots)
        sweep = partial(run_sweep, source, shared, recorder, networks, room, space.recovery, progress)
        result = Endings(interrupted=True)
        try:
            there_is_work = source.learns or source.left()
            result = sweep(spending=spending, name=self._name) if there_is_work else Endings()
        finally:
            self._close(recorder, result)
        self._tell(result, forecast, slots)
        return result

    def _pack(
        self, steps: Sequence[FirstStep], shared: Shared, resources: TrialResources, most: int
    ) -> Packing:
        """Return what a trial asks for, and let the estimates go by the GPU's speed."""
        is_auto = self._workspace.space.resources.gpus == "auto"
        reports = [step.report() for step in steps]
        trials = [step.trial for step in steps]
        packing = pack(trials, reports, shared, resources, is_auto=is_auto, most=most)
        for trial, report in zip(trials[:1], reports, strict=False):
            if report.seconds is not None:
                self._estimator.learn_speed(trial, report.seconds.times(packing.slower))
        return packing

    @abstractmethod
    def _may_run(self) -> Sequence[PlannedTrial]:
        """Return trials that may run, or are as large as any that may."""

    @abstractmethod
    def _name(self, trial: PlannedTrial) -> str:
        """Return a trial's name."""

    @abstractmethod
    def _prepare(self) -> None:
        """Do what can be done while workers try a first step."""

    @abstractmethod
    def _open_record(self, picture: bytes | None) -> Recorder:
        """Open the plan's parent run."""

    @abstractmethod
    def _open_source(self, recorder: Recorder, spending: Spending, slots: int) -> Source:
        """Return where the trials come from, so many at once."""

    @abstractmethod
    def _forecast(self, spending: Spending, slots: int, gpus: float) -> Forecast:
        """Return what is to be run, with so many trials at once and this share of a GPU for each."""

    @abstractmethod
    def _with_more(self, result: Endings) -> tuple[str, int | None]:
        """Return what a larger budget would be spent on, and on how many trials; None for endlessly many."""

    def _close(self, recorder: Recorder, result: Endings) -> None:
        """Leave nothing under way in the record."""
        status = "KILLED" if result.interrupted else "FAILED" if result.failed else "FINISHED"
        recorder.close(status, _note(self.plan, self._recorded, result), patient=not result.interrupted)
        result.parent = recorder.parent
        for key, cause in recorder.undelivered.items():
            result.finished.discard(key)
            result.failed[recorder.names[key]] = f"{cause}; re-run the same command to record it"

    def _tell(self, result: Endings, forecast: Forecast, slots: int) -> None:
        if result.finished and not (result.interrupted or result.stopped):
            expected = forecast.seconds(self._workspace.space, slots)
            log.info(f"estimated {clock(expected)}, took {clock(result.seconds)}")
        if result.spent:
            more, number = self._with_more(result)
            about = "" if number is None else f", about {clock(number * forecast.mean / slots)}"
            log.info(f"the budget is spent: {result.spent}; with more, {more}{about}")


def open_recorder(
    workspace: Workspace,
    plan_key: Callable[[], str],
    names: dict[str, str],
    files: Mapping[str, bytes],
    tags: Mapping[str, str] | None = None,
) -> Recorder:
    """Open the plan's parent run, with nothing left under it from a run that was broken off.

    Args:
        plan_key: gives the plan's key, for which the record may be asked.
        names: of the trials that are known, by key.
        files: that the parent run keeps.
        tags: of the parent run, beside the usual ones.

    Raises:
        InputError: the record cannot be written.
    """
    ledger, lease = workspace.ledger, workspace.space.recovery.lease_seconds
    name = workspace.space.name
    tidy(ledger, workspace.storage, names)  # before anything that was left could be taken for new
    try:
        experiment = ledger.experiment(name, workspace.settings.classes)
        ledger.clear_unfinished(names, lease)
        parent = ledger.open_plan(experiment, plan_key(), name, {**plan_tags(workspace), **(tags or {})})
        ledger.keep_files(parent, files)
        _state_primary(workspace, parent, names)
    except (MlflowException, OSError) as error:
        cause = first_line(error)
        raise InputError(f"tracking address {ledger.tracking_uri} cannot be written: {cause}") from error
    return Recorder(
        ledger=ledger,
        storage=workspace.storage,
        experiment_id=experiment,
        parent=parent,
        tags=trial_tags(workspace),
        replaces=ledger.finished() if workspace.request.rerun else {},
        names=names,
        lease_seconds=lease,
    )


def _state_primary(workspace: Workspace, parent: str, keys: Collection[str]) -> None:
    """Write down the primary comparison with the time when it was stated first."""
    primary = workspace.space.design.primary
    if primary is None:
        return
    ledger, stated = workspace.ledger, primary.model_dump(by_alias=True)
    before = ledger.run(parent).data.tags.get(PRIMARY)
    if before is not None and json.loads(before)["primary"] == stated:
        return
    finished = sum(key in keys for key in ledger.finished())
    told = {"primary": stated, "at": time.time(), "finished": finished}
    ledger.tag(parent, {PRIMARY: json.dumps(told)})


def plan_files(workspace: Workspace, picture: bytes | None) -> dict[str, bytes]:
    """Return what a parent run keeps beside its plan, so that a report can be made from the record alone."""
    files = {
        SUBJECTS_FILE: (workspace.folder / SUBJECTS_FILE).read_bytes(),
        SPACE_FILE: workspace.space.source.read_bytes(),
    }
    return files if picture is None else {**files, REGISTRATION_FILE: picture}


def write_plan(
    workspace: Workspace, plan: Sequence[PlannedTrial], recorded: Mapping[str, Run], estimator: Estimator
) -> pd.DataFrame:
    """Write `plan.csv` and return it."""
    frame = plan_frame(plan, recorded, estimator.all_seconds(plan), workspace.space.design.settings)
    write_table(frame, workspace.folder / PLAN_FILE)
    return frame


def recorded_trials(workspace: Workspace) -> dict[str, Run]:
    """Return the finished trials by key; none where they are to be run again."""
    return {} if workspace.request.rerun else workspace.ledger.finished()


def estimator_of(workspace: Workspace, recorded: Mapping[str, Run], device: DeviceKind = "cpu") -> Estimator:
    """Return an estimator that knows the recorded trials; all of them also where they are run again.

    Args:
        device: of this machine, on which steps are measured.
    """
    known = workspace.ledger.finished() if workspace.request.rerun else recorded
    # What the machines of a cluster are is not known here.
    machine = this_machine(workspace.study.device.kind) if workspace.address == LOCAL else ""
    return Estimator(workspace.study, list(known.values()), machine, device)


def _share(workspace: Workspace, references: Mapping[str, References], resources: TrialResources) -> Shared:
    """Return what all trials read."""
    search = workspace.space.search
    return Shared(
        study=workspace.study,
        subjects=references,
        storage=workspace.storage.address,
        threads=max(1, int(resources.cpus)),
        checkpoint_seconds=workspace.space.recovery.checkpoint_seconds,
        objective=search.objective[0] if search.samples and search.pruning.epochs else None,
    )


def _check_networks(
    workspace: Workspace, encoders: Mapping[EncoderRecipe, str], trials: Sequence[PlannedTrial]
) -> None:
    """Refuse pretrained networks that are there but cannot be used, before anything is spent.

    Raises:
        InputError: one is damaged, or has another architecture.
    """
    networks = {
        encoders[trial.recipe]: trial.settings.network
        for trial in trials
        if trial.recipe is not None and trial.recipe in encoders
    }
    for digest in sorted(networks):
        workspace.encoders.fetch(digest, networks[digest], len(workspace.settings.classes))


def _note(plan: Sequence[PlannedTrial], recorded: Mapping[str, Run], result: Endings) -> str:
    """Return the plan's description in Markdown: how its trials ended, with links to those reused."""
    reused = [recorded[t.key] for t in plan if isinstance(t, Trial) and t.key in recorded]
    ended = f"{len(result.finished)} finished, {len(reused)} reused, {len(result.failed)} failed"
    lines = [f"{len(plan)} trials: {ended}"]
    if reused:
        most = f", the first {MOST_LISTED} of {len(reused)}" if len(reused) > MOST_LISTED else ""
        lines += ["", f"Reused{most}:", ""]
    lines += [
        f"- [{run.info.run_name}](#/experiments/{run.info.experiment_id}/runs/{run.info.run_id})"
        for run in reused[:MOST_LISTED]
    ]
    return "\n".join(lines)
