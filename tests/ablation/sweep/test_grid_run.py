"""A grid within a budget: what was spent by earlier commands counts, also before the next one starts."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ablation.plan.plan import Trial, make_plan, recipes_of
from ablation.sweep.grid_run import grid_key
from ablation.sweep.preview import preview
from ablation.sweep.workspace import Request, Workspace, open_workspace
from t1t2core.network.segmenter import Segmenter
from tests.conftest import Record

SMOKE = Path(__file__).parents[3] / "search_spaces" / "smoke.yaml"


@pytest.fixture
def workspace(tmp_path: Path, add_record: Callable[[Path], Record], tiny_heads: Path) -> Workspace:
    """A grid of three trials of which two may be run; the network that two of them need is there."""
    add_record(tmp_path / "runs")
    space = tmp_path / "smoke.yaml"
    text = SMOKE.read_text(encoding="utf-8").replace("no_fine_tuning", "scratch")
    space.write_text(f"{text}budget: {{trials: 2}}\n", encoding="utf-8")
    request = Request(space=space, cohort=str(tiny_heads), preset="demo", output=tmp_path / "runs")
    opened = open_workspace(request)
    weights = Segmenter(opened.settings.network, seed=0).state_dict()
    for recipe in recipes_of(opened.points, opened.study):
        opened.encoders.publish(weights, recipe, {})
    return opened


def plan_of(workspace: Workspace) -> list[Trial]:
    known = workspace.known_encoders(recipes_of(workspace.points, workspace.study))
    return make_plan(workspace.points, workspace.study, known)


def record(workspace: Workspace, trials: list[Trial], plan_key: str) -> None:
    """As a command did that ran these trials of a plan."""
    ledger = workspace.ledger
    experiment = ledger.experiment(workspace.space.name)
    parent = ledger.open_plan(experiment, plan_key, workspace.space.name, {})
    for trial in trials:
        params = {name: value for name, value in trial.factors.items() if value is not None}
        run = ledger.start_trial(experiment, parent, "a trial", params=params, tags={"trial_key": trial.key})
        ledger.client.log_metric(run, "time/total_seconds", 1.0)
        ledger.client.set_terminated(run, "FINISHED")


def last_line(workspace: Workspace) -> str:
    return preview(workspace).lines[-1]


def test_before_the_first_command_all_of_the_budget_is_left(workspace: Workspace) -> None:
    assert last_line(workspace).startswith("2 trials: 0 recorded, 2 to run, about ")


def test_of_a_grid_that_was_partly_run_the_rest_of_the_budget_is_left(workspace: Workspace) -> None:
    plan = plan_of(workspace)
    record(workspace, plan[:1], grid_key(workspace, plan))
    assert last_line(workspace).startswith("2 trials: 1 recorded, 1 to run, about ")
    record(workspace, plan[1:2], grid_key(workspace, plan))
    assert last_line(workspace).startswith("2 trials: 2 recorded, 0 to run, about ")


def test_what_another_grid_ran_is_reused_and_costs_nothing(workspace: Workspace) -> None:
    plan = plan_of(workspace)
    record(workspace, plan[:1], grid_key(workspace, plan[:1]))
    assert last_line(workspace).startswith("3 trials: 1 recorded, 2 to run, about ")


def test_while_a_network_is_missing_nothing_was_spent(workspace: Workspace) -> None:
    """The trials that have a key already may be the whole of an earlier grid."""
    scratch = [trial for trial in plan_of(workspace) if trial.recipe is None]
    record(workspace, scratch, grid_key(workspace, scratch))
    for name in workspace.storage.names("encoders"):
        workspace.storage.delete(name)
    assert last_line(workspace).startswith("3 trials: 1 recorded, 2 to run, about ")
