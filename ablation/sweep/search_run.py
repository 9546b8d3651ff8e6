"""A run of a search: what is tried next depends on what was scored."""

from collections.abc import Mapping
from functools import cached_property, partial

from mlflow.entities import Run

from ablation.names import PLAN_FILE, SEARCH
from ablation.plan.plan import PlannedTrial, draft_plan
from ablation.plan.recipe import EncoderRecipe
from ablation.plan.tables import PRUNED_STATUS, plan_frame, write_table
from ablation.record.recorder import Recorder
from ablation.search.budget import Spending, spending_so_far
from ablation.search.search import OptunaSearch
from ablation.search.search_plan import SearchPlan
from ablation.space.naming import trial_name, varying
from ablation.sweep.estimate import Estimator
from ablation.sweep.forecast import Forecast, forecast_search, gpus_of
from ablation.sweep.plan_run import PlanRun, open_recorder, plan_files
from ablation.sweep.sweep import Endings
from ablation.sweep.workspace import Workspace


class SearchRun(PlanRun):
    """A run of a search (see `PlanRun` for the arguments)."""

    _search: OptunaSearch | None = None
    """Once the record is open."""

    @property
    def plan(self) -> list[PlannedTrial]:
        """Trials of the candidates that are sampled so far."""
        return self._search.trials if self._search else []

    @cached_property
    def _planned(self) -> SearchPlan:
        return search_plan(self._workspace, self._encoders)

    @cached_property
    def _outermost(self) -> list[PlannedTrial]:
        return draft_plan(self._workspace.points, self._workspace.study, self._encoders)

    def _may_run(self) -> list[PlannedTrial]:
        """Return the trials of the outermost points of the space: none needs more than these."""
        return self._outermost

    def _name(self, trial: PlannedTrial) -> str:
        return trial_name(trial.point, varying(self._workspace.points), self._workspace.space.design)

    def _prepare(self) -> None:
        """Do nothing: the plan is written as candidates are sampled."""

    def _open_record(self, picture: bytes | None) -> Recorder:
        tags = {SEARCH: self._workspace.space.search.model_dump_json()}
        files = plan_files(self._workspace, picture)
        return open_recorder(self._workspace, lambda: self._planned.key, {}, files, tags)

    def _open_source(self, recorder: Recorder, spending: Spending, slots: int) -> OptunaSearch:
        keep = partial(self._keep_plan, recorder)
        self._search = self._planned.open(recorder, spending, self._recorded, keep)
        return self._search

    def _forecast(self, spending: Spending, slots: int, gpus: float) -> Forecast:
        return forecast_search(
            self.plan,
            self._recorded,
            self._may_run(),
            self._planned.candidates,
            spending,
            self._estimator,
            slots=slots,
            gpus=gpus,
        )

    def _with_more(self, result: Endings) -> tuple[str, int | None]:
        assert self._search is not None
        return self._search.with_more(), self._search.trials_left

    def _close(self, recorder: Recorder, result: Endings) -> None:
        if self._search:
            self._keep_plan(recorder)
            result.pruned = {self._name(trial) for trial in self._search.pruned_trials}
        super()._close(recorder, result)

    def _keep_plan(self, recorder: Recorder) -> None:
        """Write the list of its trials, here and in the record."""
        assert self._search is not None
        settings = self._workspace.space.design.settings
        frame = plan_frame(self.plan, self._search.finished, self._estimator.all_seconds(self.plan), settings)
        pruned = {trial.point for trial in self._search.pruned_trials}
        frame.loc[[trial.point in pruned for trial in self.plan], "status"] = PRUNED_STATUS
        file = self._workspace.folder / PLAN_FILE
        write_table(frame, file)
        recorder.keep(PLAN_FILE, file.read_bytes())


def search_plan(workspace: Workspace, encoders: Mapping[EncoderRecipe, str]) -> SearchPlan:
    """Return the search over a workspace's space."""
    return SearchPlan(
        space=workspace.space,
        study=workspace.study,
        points=workspace.points,
        encoders=encoders,
        find=workspace.encoders.find,
        given=workspace.request.encoder is not None,
        ledger=workspace.ledger,
    )


def preview_search(
    workspace: Workspace,
    encoders: Mapping[EncoderRecipe, str],
    recorded: Mapping[str, Run],
    estimator: Estimator,
    slots: int,
) -> tuple[list[PlannedTrial], Forecast]:
    """Return the trials that a search has sampled, and how many it would still run within its budget.

    Args:
        encoders: digests of the pretrained networks that are there.
        recorded: finished trials by key.
        slots: trials at once.
    """
    plan = search_plan(workspace, encoders)
    sampled = plan.sampled()
    forecast = forecast_search(
        sampled,
        recorded,
        draft_plan(workspace.points, workspace.study, encoders),
        plan.candidates,
        spending_so_far(workspace.space, workspace.ledger, plan.key, recorded),
        estimator,
        slots=slots,
        gpus=gpus_of(workspace.space.resources),
    )
    return sampled, forecast
