"""A sweep on a real Slurm: a job array whose tasks share the trials, and any of which may end."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from ablation.record.ledger import Ledger
from tests.cluster.slurm import Slurm, missing, slurm_cluster
from tests.end_to_end.smoke import SMOKE, succeed
from tests.faults.commands import wait_until

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "cluster" / "slurm.sh"
WHOLE_NODES = ROOT / "cluster" / "slurm_nodes.sh"
SCORES = ["trial_key", "weights", "split", "sequence", "class", "region", "dsc"]
TASK = ("--array=1-2", "--cpus-per-task=1", "--gres=none", "--mem=0")

needs_slurm = [
    pytest.mark.slow,
    pytest.mark.exhaustive,
    pytest.mark.skipif(bool(missing()), reason=missing()),
]


@pytest.mark.parametrize("script", [SCRIPT, WHOLE_NODES], ids=lambda script: script.stem)
def test_outside_of_a_job_it_says_what_to_do(script: Path) -> None:
    without = {name: value for name, value in os.environ.items() if not name.startswith("SLURM")}
    done = subprocess.run(
        ["bash", str(script), "--space", "x"], env=without, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr == (
        f"error: this is no Slurm job; submit it: sbatch cluster/{script.name} --space FILE ...\n"
    )


@pytest.fixture
def slurm() -> Iterator[Slurm]:
    folder = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))
    with slurm_cluster(folder) as cluster:
        yield cluster
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def space(tmp_path: Path, prepared_heads: Path) -> Path:
    """A sweep of some trials whose scans are prepared, that lasts longer than a task takes to start."""
    shutil.copytree(prepared_heads, tmp_path / "runs" / "store")
    text = SMOKE.read_text(encoding="utf-8")
    text = text.replace("folds: [1]", "folds: [1, 2, 3]").replace("max_steps: 4", "max_steps: 40")
    (tmp_path / "space.yaml").write_text(text, encoding="utf-8")
    return tmp_path / "space.yaml"


def submit(slurm: Slurm, space: Path, *options: str) -> str:
    slurm.environment |= {"PYTHON": sys.executable, "PYTHONPATH": str(ROOT)}
    output = f"--output={space.parent}/%a.log"
    given = ("--space", str(space), "--output", str(space.parent / "runs"))
    return slurm.submit(f"--chdir={ROOT}", output, *TASK, *options, str(SCRIPT), *given)


def wait_for_end(slurm: Slurm, job: str, space: Path) -> None:
    try:
        wait_until(lambda: not slurm.states(job), "the job ends", seconds=900)
    except TimeoutError as error:
        logs = [path.read_text(encoding="utf-8") for path in sorted(space.parent.glob("*.log"))]
        raise AssertionError("\n".join(logs)) from error


def check_record(space: Path) -> pd.DataFrame:
    """Every trial is recorded once, none is left under way; gives the scores."""
    logs = "\n".join(path.read_text(encoding="utf-8") for path in sorted(space.parent.glob("*.log")))
    runs = space.parent / "runs"
    ledger = Ledger(f"sqlite:///{runs / 'mlflow.db'}", runs / "artifacts")
    trials = list(ledger.search("tags.kind = 'trial'"))
    assert {run.info.status for run in trials} == {"FINISHED"}, logs
    keys = [run.data.tags["trial_key"] for run in trials]
    assert len(keys) == len(set(keys)), logs
    assert f"{len(keys)} trials: {len(keys)} finished" in logs
    results = pd.read_csv(runs / "smoke" / "results.csv")
    assert set(results["trial_key"]) == set(keys)
    return results[SCORES].sort_values(SCORES[:-1]).reset_index(drop=True)


def has_recorded(space: Path, number: int) -> bool:
    """Whether so many trials are recorded; the files of the database are not opened for it."""
    return (
        len(list((space.parent / "runs" / "artifacts" / "smoke").glob("*/artifacts/scores.json"))) >= number
    )


class TestArray:
    """Two tasks at work on one sweep."""

    pytestmark = needs_slurm

    def test_two_tasks_share_the_trials_and_score_as_one_command_does(
        self, slurm: Slurm, space: Path, tmp_path: Path
    ) -> None:
        shutil.copytree(space.parent / "runs", tmp_path / "alone")
        wait_for_end(slurm, submit(slurm, space), space)
        shared = check_record(space)
        succeed(tmp_path / "alone", space)
        alone = pd.read_csv(tmp_path / "alone" / "smoke" / "results.csv")[SCORES]
        pd.testing.assert_frame_equal(shared, alone.sort_values(SCORES[:-1]).reset_index(drop=True))

    def test_a_time_that_is_too_short_and_a_task_that_is_cancelled_lose_nothing(
        self, slurm: Slurm, space: Path
    ) -> None:
        job = submit(slurm, space)
        for number in (1, 2):
            wait_until(lambda number=number: has_recorded(space, number), "trials are recorded")
            # As Slurm does before the time is over; twice, each time the task that comes back goes on.
            slurm.run("scancel", "--signal=TERM", "--batch", f"{job}_1")
            wait_until(lambda: "PENDING" in slurm.states(job) or not slurm.states(job), "it is queued again")
        slurm.run("scancel", f"{job}_2")
        wait_for_end(slurm, job, space)
        check_record(space)
        assert "queued again" in (space.parent / "1.log").read_text(encoding="utf-8")

    def test_a_node_that_dies_costs_no_trial(self, slurm: Slurm, space: Path) -> None:
        job = submit(slurm, space)
        wait_until(lambda: has_recorded(space, 1), "a trial is recorded")
        slurm.kill_node("n1")
        time.sleep(5)
        slurm.start_node("n1")
        wait_for_end(slurm, job, space)
        check_record(space)
