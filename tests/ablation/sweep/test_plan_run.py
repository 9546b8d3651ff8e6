"""What a sweep finds when it begins: nothing that an earlier one left of trials that are recorded."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ablation.store.outcome import has_outcome
from ablation.sweep.plan_run import open_recorder
from ablation.sweep.workspace import Request, open_workspace
from tests.conftest import Record

SMOKE = Path(__file__).parents[3] / "search_spaces" / "smoke.yaml"
KEY = "a key"


@pytest.mark.parametrize("rerun", [False, True])
def test_files_of_a_trial_that_is_recorded_are_never_taken_for_new(
    rerun: bool, tmp_path: Path, add_record: Callable[[Path], Record], tiny_heads: Path
) -> None:
    """A driver was killed after it had recorded the trial, and before it could clean up."""
    output = tmp_path / "runs"
    add_record(output)
    asked = Request(space=SMOKE, cohort=str(tiny_heads), preset="demo", output=output, rerun=rerun)
    workspace = open_workspace(asked)
    ledger, storage = workspace.ledger, workspace.storage
    experiment = ledger.experiment("smoke")
    parent = ledger.open_plan(experiment, "plan", "smoke", {})
    run = ledger.start_trial(experiment, parent, "open", params={}, tags={"trial_key": KEY})
    files = tmp_path / "files"
    files.mkdir()
    ledger.finish_trial(run, {}, {}, files, at=1.0)
    for key in (KEY, "not recorded"):
        storage.write(f"outcomes/{key}/scores.json", json.dumps([]).encode())
    open_recorder(workspace, lambda: "plan", {KEY: "open", "not recorded": "open"}, {}, {})
    assert not has_outcome(storage, KEY)
    assert has_outcome(storage, "not recorded"), "the next driver records it"
