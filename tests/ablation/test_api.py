"""What a command says and returns when its trials are done."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ablation.report.sweep_result import report_sweep
from ablation.sweep.run import Ended
from ablation.sweep.sweep import Endings
from ablation.sweep.workspace import Request, Workspace, open_workspace
from tests.builders.recorded_sweeps import add_sweep, factors
from tests.conftest import Record

SMOKE = Path(__file__).parents[2] / "search_spaces" / "smoke.yaml"


@pytest.fixture
def workspace(tmp_path: Path, add_record: Callable[[Path], Record], tiny_heads: Path) -> Workspace:
    add_record(tmp_path / "runs")
    request = Request(space=SMOKE, cohort=str(tiny_heads), preset="demo", output=tmp_path / "runs")
    return open_workspace(request)


@pytest.mark.parametrize("obstacle", ["results.csv", "report"])
def test_a_report_that_cannot_be_written_is_told_and_is_a_failure(
    obstacle: str, workspace: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    """The trials are recorded all the same."""
    parent = add_sweep(workspace.ledger, [factors("open")], space="smoke").parent.info.run_id
    workspace.folder.mkdir()
    taken = workspace.folder / obstacle
    if obstacle == "results.csv":
        taken.mkdir()
    else:
        taken.touch()
    result = report_sweep(workspace, Ended(result=Endings(parent=parent)))
    assert not result.complete
    assert str(taken) in result.unwritten
    output = workspace.request.output
    assert f"run `python -m ablation.report --space {SMOKE} --output {output}`" in caplog.text
    assert str(result) == "0 trials: 0 finished (0 reused), 0 failed"


def test_files_of_the_record_that_are_gone_are_told_the_same_way(
    workspace: Workspace,
) -> None:
    plan = add_sweep(workspace.ledger, [factors("open")], space="smoke")
    (score,) = (workspace.request.output / "artifacts").rglob("scores.json")
    score.unlink()
    result = report_sweep(workspace, Ended(result=Endings(parent=plan.parent.info.run_id)))
    assert "was the record moved without its folder artifacts?" in result.unwritten
    assert not result.complete
