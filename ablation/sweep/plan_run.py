"""Runs the trials of a plan, or of a search, under its parent run in the record."""

import logging
from collections.abc import Callable, Mapping, Sequence

import pandas as pd
import ray
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from ablation.names import PLAN_FILE, REGISTRATION_FILE, SEARCH, SPACE_FILE, SUBJECTS_FILE
from ablation.plan.digest import digest_of
from ablation.plan.plan import Trial, make_plan
from ablation.plan.recipe import EncoderRecipe
from ablation.plan.tables import PRUNED_STATUS, plan_frame, write_table
from ablation.record.leftovers import tidy
from ablation.record.recorder import Recorder
from ablation.search.budget import Spending, check_budget, spending_of
from ablation.search.search import OptunaSearch
from ablation.search.source import Listed, Source
from ablation.space.naming import trial_names
from ablation.store.storage import first_line
from ablation.sweep.cluster import slots_of
from ablation.sweep.estimate import Estimator
from ablation.sweep.forecast import Forecast, forecast_grid, forecast_search
from ablation.sweep.preflight import FirstStep, largest
from ablation.sweep.progress import Progress, Show, clock
from ablation.sweep.provenance import plan_tags, this_machine, trial_tags
from ablation.sweep.search_run import candidates_of, open_search, search_key
from ablation.sweep.sweep import Endings, run_sweep
from ablation.sweep.workspace import Workspace
from ablation.worker.trial import Shared
from t1t2core.errors import InputError

log = logging.getLogger(__name__)

MOST_LISTED = 20
"""Reused trials that a plan's description links to; MLflow keeps 8,000 characters."""


class PlanRun:
    """Runs what is not recorded, under the plan's parent run.

    Args:
        encoders: digests of the T1 networks.
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
        self._workspace, self._encoders = workspace, encoders
        self._recorded, self._show, self._draw = recorded, show, draw
        self._estimator = estimator_of(workspace, recorded)
        # Of a search: the outermost points of its space, which need the most.
        self._listed = make_plan(workspace.points, workspace.study, encoders)
        self._search: OptunaSearch | None = None

    @property
    def plan(self) -> list[Trial]:
        """All trials, those of a search as far as it has sampled."""
        if self._workspace.space.search.samples:
            return self._search.trials if self._search else []
        return self._listed

    def run(self, references: dict[str, ray.ObjectRef], resources: dict[str, float]) -> Endings:
        """Runs it to the end, and says what it took beside what was expected."""
        workspace = self._workspace
        check_budget(workspace.space.budget, resources)
        waiting = self._waiting()
        shared = _share(workspace, self._encoders, waiting, references, resources)
        steps = [FirstStep(trial, shared, resources) for trial in largest(waiting, workspace.settings)]
        picture = self._draw()  # while workers try these
        to_run = self._longest_first(waiting)
        resources = _share_gpus(workspace, steps, resources)
        recorder = self._open_record(picture)
        spending = spending_of(workspace.space, workspace.ledger, recorder.parent, self._recorded)
        source = self._source(recorder, spending, to_run)
        result = Endings(interrupted=True)
        slots = workspace.request.max_concurrent or slots_of(resources)
        forecast = self._forecast(spending, to_run, slots, resources["gpu"])
        slots = min(slots, forecast.to_run or 1)
        expected = forecast.seconds(workspace.space, slots)
        progress = Progress(forecast.each, expected, self._show)
        try:
            if self._search or to_run:
                recovery = workspace.space.recovery
                result = run_sweep(
                    source, shared, recorder, resources, recovery, progress, slots=slots, spending=spending
                )
            else:
                result = Endings()
        finally:
            self._close(recorder, result)
        self._tell(result, forecast, slots)
        return result

    def _waiting(self) -> list[Trial]:
        """What may run: of a plan what is not recorded, of a search the outermost points."""
        sampled = self._workspace.space.search.samples
        return [trial for trial in self._listed if sampled or trial.key not in self._recorded]

    def _longest_first(self, waiting: list[Trial]) -> list[Trial]:
        """So that none of a plan's trials runs alone at the end; writes the plan."""
        if self._workspace.space.search.samples:
            return waiting
        write_plan(self._workspace, self._listed, self._recorded, self._estimator)
        seconds = dict(zip(waiting, self._estimator.all_seconds(waiting), strict=True))
        return sorted(waiting, key=lambda trial: -seconds[trial])

    def _source(self, recorder: Recorder, spending: Spending, to_run: list[Trial]) -> Source:
        if not self._workspace.space.search.samples:
            return Listed(to_run)
        self._search = open_search(
            self._workspace,
            self._encoders,
            recorder,
            spending,
            self._recorded,
            lambda: self._keep_plan(recorder),
        )
        return self._search

    def _keep_plan(self, recorder: Recorder) -> None:
        """Of a search: the list of its trials, here and in the record."""
        assert self._search is not None
        trials = self._search.trials
        frame = plan_frame(trials, self._search.finished, self._estimator.all_seconds(trials))
        pruned = [str(trial.key) for trial in self._search.pruned_trials]
        frame.loc[frame["trial_key"].isin(pruned), "status"] = PRUNED_STATUS
        write_table(frame, self._workspace.folder / PLAN_FILE)
        recorder.keep(PLAN_FILE, (self._workspace.folder / PLAN_FILE).read_bytes())

    def _forecast(self, spending: Spending, to_run: list[Trial], slots: int, gpus: float) -> Forecast:
        if self._search is None:
            return forecast_grid(self._listed, to_run, spending, self._estimator)
        return forecast_search(
            self._search.trials,
            self._recorded,
            self._listed,
            candidates_of(self._workspace),
            spending,
            self._estimator,
            slots=slots,
            gpus=gpus,
        )

    def _open_record(self, picture: bytes | None) -> Recorder:
        workspace = self._workspace
        files = _plan_files(workspace, picture)
        if workspace.space.search.samples:
            key = search_key(workspace, self._encoders)
            tags = {SEARCH: workspace.space.search.model_dump_json()}
            files.pop(PLAN_FILE, None)  # is that of another plan; the search writes its own
            return open_recorder(workspace, key, {}, tags, files)
        keys = [trial.key or "" for trial in self._listed]
        names = dict(zip(keys, trial_names([trial.point for trial in self._listed]), strict=True))
        return open_recorder(workspace, digest_of(sorted(keys)), names, {}, files)

    def _close(self, recorder: Recorder, result: Endings) -> None:
        """Leaves nothing under way in the record."""
        if self._search:
            self._keep_plan(recorder)
            result.pruned = {str(trial.key) for trial in self._search.pruned_trials}
        status = "KILLED" if result.interrupted else "FAILED" if result.failed else "FINISHED"
        recorder.close(status, _note(self.plan, self._recorded, result), patient=not result.interrupted)
        result.parent = recorder.parent
        for key, cause in recorder.undelivered.items():
            result.finished.discard(key)
            result.failed[recorder.names[key]] = f"{cause}; given again, the command records it"

    def _tell(self, result: Endings, forecast: Forecast, slots: int) -> None:
        space = self._workspace.space
        if result.finished and not (result.interrupted or result.stopped):
            expected = forecast.seconds(space, slots)
            log.info(f"estimated {clock(expected)}, took {clock(result.seconds)}")
        if result.spent:
            left = len(result.not_started)
            more = self._search.with_more() if self._search else f"{left} trials of the grid are left"
            number = self._search.trials_left if self._search else left
            about = "" if number is None else f", about {clock(number * forecast.mean / slots)}"
            log.info(f"the budget is spent: {result.spent}; with more, {more}{about}")


def _share_gpus(
    workspace: Workspace, steps: Sequence[FirstStep], resources: dict[str, float]
) -> dict[str, float]:
    """What a trial asks for once the largest have been tried."""
    share = max((step.share() for step in steps), default=1.0)
    if workspace.space.resources.gpus == "auto":
        resources = {**resources, "gpu": min(resources["gpu"], share)}
        if 0 < resources["gpu"] < 1:
            log.info(f"trials that share a GPU, by the memory of the largest: {1 / resources['gpu']:.0f}")
    return resources


def open_recorder(
    workspace: Workspace,
    plan_key: str,
    names: dict[str, str],
    tags: Mapping[str, str],
    files: Mapping[str, bytes],
) -> Recorder:
    """The plan's parent run, with nothing left under it from a run that was broken off.

    Raises:
        InputError: the record cannot be written.
    """
    ledger, lease = workspace.ledger, workspace.space.recovery.lease_seconds
    name = workspace.space.name
    tidy(ledger, workspace.storage, names)  # before anything that was left could be taken for new
    try:
        experiment = ledger.experiment(name)
        ledger.clear_unfinished(names, lease)
        parent = ledger.open_plan(experiment, plan_key, name, {**plan_tags(workspace), **tags})
        ledger.keep_files(parent, files)
    except (MlflowException, OSError) as error:
        cause = first_line(error)
        raise InputError(f"tracking address {ledger.tracking_uri} cannot be written: {cause}") from error
    return Recorder(
        ledger=ledger,
        storage=workspace.storage,
        experiment_id=experiment,
        parent=parent,
        settings=workspace.settings,
        tags=trial_tags(workspace),
        replaces=ledger.finished() if workspace.request.rerun else {},
        names=names,
        lease_seconds=lease,
    )


def _share(
    workspace: Workspace,
    encoders: Mapping[EncoderRecipe, str],
    to_run: Sequence[Trial],
    references: dict[str, ray.ObjectRef],
    resources: dict[str, float],
) -> Shared:
    """What the trials read, in the object store."""
    search = workspace.space.search
    return Shared(
        study=workspace.study,
        digests=encoders,
        subjects=references,
        encoders=_share_encoders(workspace, sorted({trial.encoder for trial in to_run if trial.encoder})),
        storage=workspace.storage.address,
        threads=max(1, int(resources["cpu"])),
        checkpoint_seconds=workspace.space.recovery.checkpoint_seconds,
        objective=search.objective[0] if search.samples and search.pruning.epochs else None,
    )


def _share_encoders(workspace: Workspace, digests: Sequence[str]) -> dict[str, ray.ObjectRef]:
    """Each T1 network fetched once, checked, and put into the object store as plain arrays."""
    fetched = {digest: workspace.encoders.fetch(digest, workspace.settings.network) for digest in digests}
    return {
        digest: ray.put({name: tensor.numpy() for name, tensor in encoder.weights.items()})
        for digest, encoder in fetched.items()
    }


def write_plan(
    workspace: Workspace, plan: Sequence[Trial], recorded: Mapping[str, Run], estimator: Estimator
) -> pd.DataFrame:
    """Writes `plan.csv` and gives it."""
    frame = plan_frame(plan, set(recorded), estimator.all_seconds(plan))
    write_table(frame, workspace.folder / PLAN_FILE)
    return frame


def _plan_files(workspace: Workspace, picture: bytes | None) -> dict[str, bytes]:
    """What the parent run keeps, so that the report can be made from the record alone."""
    plan = workspace.folder / PLAN_FILE
    files = {
        PLAN_FILE: plan.read_bytes() if plan.exists() else None,
        SUBJECTS_FILE: (workspace.folder / SUBJECTS_FILE).read_bytes(),
        SPACE_FILE: workspace.space.source.read_bytes(),
        REGISTRATION_FILE: picture,
    }
    return {name: content for name, content in files.items() if content is not None}


def _note(plan: Sequence[Trial], recorded: Mapping[str, Run], result: Endings) -> str:
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


def estimator_of(workspace: Workspace, recorded: Mapping[str, Run]) -> Estimator:
    """From the recorded trials; from all of them where they are run again and so count as not recorded."""
    known = workspace.ledger.finished() if workspace.request.rerun else recorded
    return Estimator(
        workspace.settings, workspace.study.precision, list(known.values()), machine=this_machine()
    )
