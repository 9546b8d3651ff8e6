"""A run of a grid: its trials are listed before the first one starts."""

from collections.abc import Mapping, Sequence
from functools import cached_property

from mlflow.entities import Run

from ablation.plan.digest import digest_of
from ablation.plan.plan import PlannedTrial, Trial, draft_plan, is_recorded, make_plan
from ablation.plan.recipe import EncoderRecipe
from ablation.record.plan_record import PLAN_FILE
from ablation.record.recorder import Recorder
from ablation.search.budget import Spending, spending_so_far
from ablation.search.source import Listed
from ablation.space.naming import trial_names
from ablation.sweep.estimate import Estimator
from ablation.sweep.forecast import Forecast, forecast_grid
from ablation.sweep.plan_run import PlanRun, open_recorder, plan_files, write_plan
from ablation.sweep.sweep import Endings
from ablation.sweep.workspace import Workspace


class GridRun(PlanRun):
    """A run of a grid (see `PlanRun` for the arguments)."""

    @cached_property
    def plan(self) -> list[Trial]:
        """All trials of the grid."""
        return make_plan(self._workspace.points, self._workspace.study, self._encoders)

    @cached_property
    def _to_run(self) -> list[Trial]:
        return [trial for trial in self.plan if trial.key not in self._recorded]

    def _may_run(self) -> list[Trial]:
        return self._to_run

    def _prepare(self) -> None:
        """Write the plan, and put the longest trials first, so that none runs alone at the end."""
        write_plan(self._workspace, self.plan, self._recorded, self._estimator)
        seconds = dict(zip(self._to_run, self._estimator.all_seconds(self._to_run), strict=True))
        self._to_run.sort(key=lambda trial: -seconds[trial])

    def _open_record(self, picture: bytes | None) -> Recorder:
        design = self._workspace.space.design
        names = trial_names([trial.point for trial in self.plan], design)
        files = plan_files(self._workspace, picture)
        files[PLAN_FILE] = (self._workspace.folder / PLAN_FILE).read_bytes()
        return open_recorder(
            self._workspace,
            grid_key(self.plan),
            {trial.key: name for trial, name in zip(self.plan, names, strict=True)},
            files,
        )

    def _open_source(self, recorder: Recorder, spending: Spending) -> Listed:
        return Listed(self._to_run)

    def _forecast(self, spending: Spending, slots: int, gpus: float) -> Forecast:
        return forecast_grid(self.plan, self._to_run, spending, self._estimator)

    def _with_more(self, result: Endings) -> tuple[str, int]:
        left = len(result.not_started)
        return f"{left} trials of the grid are left", left


def grid_key(plan: Sequence[Trial]) -> str:
    """Return the hash of the trials of a grid, which names it."""
    return digest_of(sorted(trial.key for trial in plan))


def preview_grid(
    workspace: Workspace,
    encoders: Mapping[EncoderRecipe, str],
    recorded: Mapping[str, Run],
    estimator: Estimator,
) -> tuple[list[PlannedTrial], Forecast]:
    """Return the trials of a grid, and how many of them a run would still run within its budget.

    Args:
        encoders: digests of the T1 networks that are there.
        recorded: finished trials by key.
    """
    plan = draft_plan(workspace.points, workspace.study, encoders)
    to_run = [trial for trial in plan if not is_recorded(trial, recorded)]
    keyed = [trial for trial in plan if isinstance(trial, Trial)]
    # Nothing was spent yet on a grid of which a T1 network is missing.
    key = grid_key(keyed) if len(keyed) == len(plan) else ""
    spending = spending_so_far(workspace.space, workspace.ledger, key, recorded)
    return plan, forecast_grid(plan, to_run, spending, estimator)
