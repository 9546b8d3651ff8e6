"""A run of a grid: its trials are listed before the first one starts, and have keys as networks are there."""

from collections.abc import Mapping, Sequence
from functools import cached_property, partial

from mlflow.entities import Run

from ablation.names import PLAN_FILE
from ablation.plan.digest import digest_of
from ablation.plan.key import Keys
from ablation.plan.plan import PlannedTrial, Trial, draft_plan, is_recorded, with_key
from ablation.plan.recipe import EncoderRecipe
from ablation.record.recorder import Recorder
from ablation.search.budget import Spending, find_plan, spending_so_far
from ablation.search.source import Listed
from ablation.space.naming import trial_names
from ablation.space.points import Point
from ablation.sweep.estimate import Estimator
from ablation.sweep.forecast import Forecast, forecast_grid
from ablation.sweep.plan_run import PlanRun, open_recorder, plan_files, write_plan
from ablation.sweep.sweep import Endings
from ablation.sweep.workspace import Workspace


class GridRun(PlanRun):
    """A run of a grid (see `PlanRun` for the arguments)."""

    @cached_property
    def plan(self) -> list[PlannedTrial]:
        """All trials of the grid; those whose pretrained network is not there yet have no key."""
        return draft_plan(self._workspace.points, self._workspace.study, self._encoders)

    @cached_property
    def _to_run(self) -> list[PlannedTrial]:
        return [trial for trial in self.plan if not is_recorded(trial, self._recorded)]

    @cached_property
    def _names(self) -> dict[Point, str]:
        points = [trial.point for trial in self.plan]
        return dict(zip(points, trial_names(points, self._workspace.space.design), strict=True))

    def _name(self, trial: PlannedTrial) -> str:
        return self._names[trial.point]

    def _may_run(self) -> Sequence[PlannedTrial]:
        return self._to_run

    def _prepare(self) -> None:
        """Write the plan, and put the longest trials first, so that none runs alone at the end."""
        write_plan(self._workspace, self.plan, self._recorded, self._estimator)
        seconds = dict(zip(map(id, self._to_run), self._estimator.all_seconds(self._to_run), strict=True))
        self._to_run.sort(key=lambda trial: -seconds[id(trial)])

    def _open_record(self, picture: bytes | None) -> Recorder:
        files = plan_files(self._workspace, picture)
        files[PLAN_FILE] = (self._workspace.folder / PLAN_FILE).read_bytes()
        names = {trial.key: self._name(trial) for trial in self.plan if isinstance(trial, Trial)}
        workspace = self._workspace
        return open_recorder(workspace, lambda: grid_key(workspace, self.plan), names, files)

    def _open_source(self, recorder: Recorder, spending: Spending, slots: int) -> Listed:
        return Listed(self._to_run, partial(self._with_keys, recorder), slots)

    def _with_keys(self, recorder: Recorder, trials: Sequence[PlannedTrial], encoder: str) -> list[Trial]:
        """Return trials with their keys, and write them down."""
        keys = Keys(self._workspace.study)
        keyed = {id(trial): with_key(trial, keys, encoder) for trial in trials}
        self.plan[:] = [keyed.get(id(trial), trial) for trial in self.plan]
        recorder.add({trial.key: self._name(trial) for trial in keyed.values()})
        write_plan(self._workspace, self.plan, self._recorded, self._estimator)
        recorder.keep(PLAN_FILE, (self._workspace.folder / PLAN_FILE).read_bytes())
        return list(keyed.values())

    def _forecast(self, spending: Spending, slots: int, gpus: float) -> Forecast:
        return forecast_grid(self.plan, self._to_run, spending, self._estimator)

    def _with_more(self, result: Endings) -> tuple[str, int]:
        return f"{result.not_started} trials of the grid are left", result.not_started


def grid_key(workspace: Workspace, plan: Sequence[PlannedTrial]) -> str:
    """Return the hash that names a grid: of its trials, with recipes in place of pretrained networks.

    So it is known before any network is trained. Grids that were recorded before this was so, and those whose
    network is given, are named by their trials' keys.
    """
    keyed = [trial for trial in plan if isinstance(trial, Trial)]
    if len(keyed) == len(plan):
        named = digest_of(sorted(trial.key for trial in keyed))
        is_given = workspace.request.encoder is not None
        if is_given or find_plan(workspace.ledger, workspace.space.name, named):
            return named
    keys = Keys(workspace.study)
    return digest_of(
        sorted(keys.of(one.point, one.split, one.recipe.digest if one.recipe else None) for one in plan)
    )


def preview_grid(
    workspace: Workspace,
    encoders: Mapping[EncoderRecipe, str],
    recorded: Mapping[str, Run],
    estimator: Estimator,
) -> tuple[list[PlannedTrial], Forecast]:
    """Return the trials of a grid, and how many of them a run would still run within its budget.

    Args:
        encoders: digests of the pretrained networks that are there.
        recorded: finished trials by key.
    """
    plan = draft_plan(workspace.points, workspace.study, encoders)
    to_run = [trial for trial in plan if not is_recorded(trial, recorded)]
    budget = workspace.space.budget
    counts = budget.trials is not None or budget.gpu_hours is not None
    key = grid_key(workspace, plan) if counts else ""
    spending = spending_so_far(workspace.space, workspace.ledger, key, recorded)
    return plan, forecast_grid(plan, to_run, spending, estimator)
