"""What would fail in every trial is told before the first one."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.faults.bench import Bench
from tests.faults.commands import Command

pytestmark = pytest.mark.slow


def refused(bench: Bench, command: Command) -> str:
    assert command.output.read_text(encoding="utf-8") == ""
    assert bench.steps("conservative 15") == []
    assert bench.runs() == []
    return command.said


def test_a_step_of_the_largest_trial_that_fails(bench: Bench) -> None:
    bench.environment["FAULTS_PREFLIGHT"] = "yes"
    bench.order("raise", "preflight", times=1, message="too large for this machine")
    said = refused(bench, bench.run(status=2))
    assert "one step of the largest trial (strategy conservative, tuned_layers 15" in said
    assert said.endswith("fails: RuntimeError: too large for this machine\n")


def test_more_than_the_cluster_has(bench: Bench) -> None:
    bench.write_space("gpus: 0", "gpus: 64")
    said = refused(bench, bench.run(status=2))
    assert said.endswith("\nresources.gpus: a trial asks for 64, the cluster has 1\n")
    assert "preparing" not in said


@pytest.mark.parametrize("which", ["storage", "record"])
def test_a_disk_that_cannot_be_written(bench: Bench, small_disk: Path, which: str) -> None:
    if which == "storage":
        bench.options += ["--storage", str(small_disk / "store")]
    else:
        shutil.move(bench.output / "mlflow.db", small_disk / "mlflow.db")
        bench.tracking_uri = f"sqlite:///{small_disk / 'mlflow.db'}"
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    said = refused(bench, bench.run(status=2))
    assert str(small_disk) in said
    assert ("cannot be used" if which == "storage" else "cannot be written") in said
