"""What `--plan` tells before anything is spent: volumes, pretrained networks, trials."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ablation import api
from ablation.commands.run import app
from ablation.plan.plan import networks_of
from ablation.sweep.preview import preview
from ablation.sweep.workspace import Request, Workspace, open_workspace
from t1t2core.network.segmenter import Segmenter
from tests.conftest import SMOKE, Record


@pytest.fixture
def workspace(tmp_path: Path, add_record: Callable[[Path], Record], tiny_heads: Path) -> Workspace:
    """Of the smoke space, with the attention changed one at a time."""
    add_record(tmp_path / "runs")
    space = tmp_path / "changes.yaml"
    text = SMOKE.read_text(encoding="utf-8").replace("name: smoke", "name: changes")
    changes = "design: one_at_a_time\nnetwork.attention: [channel_spatial, none]\npretraining_seeds: [0, 1]\n"
    space.write_text(text + changes, encoding="utf-8")
    return open_workspace(
        Request(space=space, cohort=str(tiny_heads), preset="demo", output=tmp_path / "runs")
    )


def test_it_tells_which_volumes_and_t1_networks_are_missing(workspace: Workspace) -> None:
    subjects, networks, reference, change, trials = preview(workspace).lines
    assert subjects == "subjects to prepare: 6"
    assert networks.startswith("pretrained networks: 4, 0 trained, 4 to train, about 0:00:")
    assert reference.startswith("  reference: 2 to train, 0:00:")
    assert change.startswith("  attention=none: 2 to train, 0:00:")
    assert trials.startswith("10 trials: 0 recorded, 10 to run, about 0:00:")
    assert trials.endswith(" with the pretrained networks")


def test_what_is_trained_is_not_told_again(workspace: Workspace) -> None:
    for seed, network in enumerate(networks_of(workspace.points, workspace.study)[:3]):
        weights = Segmenter(network.recipe.network, seed=seed).state_dict()
        workspace.encoders.publish(weights, network.recipe, {})
    told = [line for line in preview(workspace).lines if "to train" in line]
    assert len(told) == 1, "of one network there is nothing to compare"
    assert told[0].startswith("pretrained networks: 4, 3 trained, 1 to train, about 0:00:")


def test_the_power_of_its_tests_is_told_before_the_numbers_of_trials(workspace: Workspace) -> None:
    power = api.Sweep(workspace.request).power()
    this = "  this plan: t test over 1 test patient and 2 pretrained networks: no smallest p, "
    assert power[1].startswith(this)
    assert "cohort.test_patients=rotated, folds: [1, 2, 3, 4]" in power[2]
    assert "pretraining_seeds: [0, 1, 2, 3, 4]" in power[3]
    options = [
        "--space",
        str(workspace.space.source),
        "--cohort",
        workspace.request.cohort,
        "--preset",
        "demo",
    ]
    given = CliRunner().invoke(app, [*options, "--plan", "--output", str(workspace.request.output)])
    *_, power_last, numbers = given.stdout.splitlines()
    assert power_last == power[-1]
    assert numbers.startswith("10 trials: 0 recorded, 10 to run, about ")
