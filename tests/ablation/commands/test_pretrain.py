"""`python -m ablation.pretrain` is killed and given again, or refused."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import mlflow
import pytest
from mlflow.entities import Run

from tests.conftest import Record
from tests.faults.commands import Command, alive, family, wait_for_end_of_work, wait_until

pytestmark = pytest.mark.slow

EPOCHS = 80
SPACE = f"""
name: pretrained
arms:
  - strategy: no_fine_tuning
folds: [1]
preparation: {{grid: [16, 24, 16], voxel_mm: [11.0, 10.0, 11.0]}}
network: {{width: 2}}
pretraining:
  {{patch: [16, 24, 16], stride: [16, 24, 16], max_epochs: {EPOCHS}, max_steps: null, steps_per_epoch: 1}}
training: {{patch: [16, 24, 16], stride: [16, 24, 16], max_epochs: 1}}
evaluation: {{pictures: 0, surface_distances: false}}
resources: {{gpus: 0}}
recovery: {{checkpoint_seconds: 0}}
"""


class Place:
    """An output folder, in which the command is given."""

    def __init__(self, folder: Path, heads: Path, prepared: Path) -> None:
        self.output = folder / "runs"
        self.other = folder / "other"
        for store in (self.output / "store", self.other):
            shutil.copytree(prepared, store)
        self._space = folder / "space.yaml"
        self._space.write_text(SPACE, encoding="utf-8")
        self._heads = heads
        self._folder = folder

    def arguments(self, *options: str) -> list[str]:
        given = ["--space", str(self._space), "--cohort", str(self._heads), "--output", str(self.output)]
        return [*given, "--preset", "demo", *options]

    def run(self, *options: str) -> tuple[int, str, str]:
        command = Command(self.arguments(*options), self._folder, program="pretrain")
        status = command.wait()
        assert "Traceback" not in command.said, command.said
        return status, command.printed, command.said

    def files(self, pattern: str) -> list[Path]:
        return sorted((self.output / "store").glob(pattern))

    @property
    def runs(self) -> list[Run]:
        client = mlflow.MlflowClient(f"sqlite:///{self.output / 'mlflow.db'}")
        everywhere = [experiment.experiment_id for experiment in client.search_experiments()]
        return list(client.search_runs(everywhere))


@pytest.fixture
def place(
    tmp_path: Path, tiny_heads: Path, prepared_heads: Path, add_record: Callable[[Path], Record]
) -> Place:
    """With volumes in its storage, and in another."""
    place = Place(tmp_path, tiny_heads, prepared_heads)
    add_record(place.output)
    return place


def kill_all(process: subprocess.Popen[str]) -> None:
    """At once, as where a machine dies: a worker that outlived its driver might complete the training."""
    processes = family(process.pid)
    for pid in (process.pid, *alive(processes)):
        with suppress(ProcessLookupError):  # some end by themselves once another has gone
            os.kill(pid, signal.SIGKILL)
    process.communicate()
    wait_for_end_of_work(processes)


@pytest.mark.exhaustive  # test_drivers.py kills a command
def test_a_killed_command_goes_on_where_it_was_and_says_digest_and_address(place: Place) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "ablation.pretrain", *place.arguments()],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
    ) as process:
        try:
            wait_until(
                lambda: place.files("checkpoints/pretraining/*.safetensors") or process.poll(), "a checkpoint"
            )
        finally:
            kill_all(process)
    assert place.files("encoders/*") == []
    assert [run.info.status for run in place.runs] == ["RUNNING"]
    status, out, errors = place.run()
    assert status == 0, errors
    digest, address = out.split()
    assert re.fullmatch("[0-9a-f]{64}", digest)
    assert Path(address).read_bytes() == place.files(f"encoders/{digest}.safetensors")[0].read_bytes()
    (run,) = place.runs
    assert (run.info.status, run.data.tags["encoder_digest"]) == ("FINISHED", digest)
    assert run.data.metrics["time/epochs"] == EPOCHS
    assert run.data.metrics["best_validation_T1/air/dsc"] >= 0
    assert place.files("checkpoints/pretraining/*") == place.files("pretraining/*") == []
    # Another folder, the same heads: the same network, though nothing was broken off there.
    assert place.run("--storage", str(place.other))[1].split()[0] == digest


def test_workers_that_the_machine_has_no_room_for_are_refused(place: Place) -> None:
    status, out, errors = place.run("--workers", "64")
    assert (status, out) == (2, "")
    assert "--workers 64: a step has 2 patches" in errors.splitlines()[-1]
    status, out, errors = place.run("--workers", "512", "--set", "pretraining.batch_size=512")
    assert (status, out) == (2, "")
    assert "--workers 512: the cluster has room for" in errors.splitlines()[-1]
    assert place.runs == []
