"""Networks are pretrained on Ray, by one worker each or by several, whatever happens to the workers."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import ray
import torch
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from ablation.names import DRIVER
from ablation.plan.recipe import EncoderRecipe, digest_of_preparation
from ablation.plan.resources import TrialResources
from ablation.record.ledger import Ledger
from ablation.record.pretraining import PretrainingRecord
from ablation.store.pretrained import EncoderStore
from ablation.store.storage import Storage
from ablation.sweep import pretraining
from ablation.sweep.cluster import connect
from ablation.sweep.networks import Networks
from ablation.sweep.pretraining import Pretrainer, PretrainingFailedError, check_room, check_workers
from t1t2core.errors import InputError
from t1t2core.network.weights import unpack_weights
from tests.builders.pretrained import RECIPE, SUBJECTS, recipe_of
from tests.faults.commands import family, wait_until

CORES = 2
LONG = recipe_of(max_epochs=60, steps_per_epoch=1)
"""Long enough that a worker is killed in the middle of it."""


@pytest.fixture(scope="module")
def subjects() -> Iterator[dict[str, ray.ObjectRef]]:
    """In the object store of a cluster that is there for all these tests."""
    with connect("local"):
        yield {name: ray.put(subject) for name, subject in SUBJECTS.items()}


class Desk:
    """Storage and record of their own, and when a worker was killed."""

    def __init__(self, folder: Path, ledger: Ledger, subjects: dict[str, ray.ObjectRef]) -> None:
        self.store = EncoderStore(Storage(str(folder / "store")))
        self.ledger, self.subjects = ledger, subjects
        self.killed_at = 0.0

    def pretrainer(self, **changes: Any) -> Pretrainer:
        given: dict[str, Any] = {
            "networks": Networks(self.store, PretrainingRecord(self.ledger, {}, lease_seconds=60.0)),
            "subjects": {digest_of_preparation(RECIPE.preparation): self.subjects},
            "resources": TrialResources(cpus=1.0, gpus=0.0),
            "checkpoint_seconds": 0.0,
        }
        return Pretrainer(**{**given, **changes})

    def ensure(self, *recipes: EncoderRecipe, **changes: Any) -> list[str]:
        digests = self.pretrainer(**changes).ensure(recipes)
        return [digests[recipe] for recipe in recipes]

    @property
    def runs(self) -> list[Run]:
        experiment = self.ledger.experiment("pretraining")
        return list(self.ledger.client.search_runs([experiment]))

    @property
    def left_in_storage(self) -> list[str]:
        """Files other than networks."""
        root = Path(self.store.storage.address)
        files = [path.relative_to(root) for path in root.rglob("*") if path.is_file()]
        return [str(file) for file in files if file.parts[0] != "encoders"]

    def times(self, run: Run) -> list[tuple[int, float]]:
        """Epochs of a run, and when they ended, seconds since 1970."""
        history = self.ledger.client.get_metric_history(run.info.run_id, "train/loss")
        return [(metric.step, metric.timestamp / 1000) for metric in history]


@pytest.fixture
def desk(
    tmp_path: Path,
    ledger: Ledger,
    subjects: dict[str, ray.ObjectRef],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> Desk:
    caplog.set_level("INFO", "ablation")
    monkeypatch.setattr(pretraining, "LOOK_SECONDS", 0.2)
    return Desk(tmp_path, ledger, subjects)


@pytest.fixture(scope="module")
def undisturbed(
    subjects: dict[str, ray.ObjectRef], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, torch.Tensor]:
    """Weights of the long training, to which nothing happened."""
    folder = tmp_path_factory.mktemp("undisturbed")
    desk = Desk(folder, Ledger(f"sqlite:///{folder / 'mlflow.db'}", folder / "artifacts"), subjects)
    (digest,) = desk.ensure(LONG)
    return desk.store.fetch(digest, LONG.network).weights


def kill_at_work(desk: Desk, name: str) -> threading.Thread:
    """Kills a worker of this name once the training has a checkpoint and some more epochs."""

    def kill() -> None:
        file = Path(desk.store.storage.address) / "checkpoints" / "pretraining" / f"{LONG.digest}.safetensors"
        wait_until(file.exists, "a checkpoint")
        process = next(pid for pid in family(os.getpid()) if _title(pid).startswith(name))
        desk.killed_at = time.time()
        os.kill(process, signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    return thread


def _title(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def assert_went_on(desk: Desk) -> None:
    """One run; its first epochs are from before the kill, and none is there twice."""
    (run,) = desk.runs
    assert run.info.status == "FINISHED"
    times = desk.times(run)
    assert [epoch for epoch, _ in times] == list(range(1, 61))
    assert times[0][1] < desk.killed_at < times[-1][1]
    assert desk.left_in_storage == []


def test_networks_are_trained_published_recorded_and_found_again(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    other = recipe_of(max_epochs=2)
    digests = desk.ensure(RECIPE, other)
    assert len(set(digests)) == 2
    assert digests == [desk.store.find(RECIPE), desk.store.find(other)]
    assert {run.data.tags["encoder_digest"]: run.info.status for run in desk.runs} == dict.fromkeys(
        digests, "FINISHED"
    )
    assert f"pretrained network {digests[0][:12]}: validation DSC, bone " in caplog.text
    assert desk.left_in_storage == []
    caplog.clear()
    assert desk.ensure(RECIPE, other) == digests
    assert (len(desk.runs), caplog.messages) == (2, [])


@pytest.mark.exhaustive  # the next kills one of two
def test_a_killed_worker_is_replaced_and_the_training_goes_on_to_the_same_bits(
    desk: Desk, undisturbed: dict[str, torch.Tensor]
) -> None:
    killer = kill_at_work(desk, "ray::train")
    (digest,) = desk.ensure(LONG)
    killer.join()
    weights = desk.store.fetch(digest, LONG.network).weights
    assert all(torch.equal(tensor, undisturbed[name]) for name, tensor in weights.items())
    assert_went_on(desk)


@pytest.mark.slow
@pytest.mark.exhaustive  # test_two_workers_take_the_steps_of_one has them undisturbed
def test_two_workers_train_the_network_of_one_and_a_killed_one_is_replaced(
    desk: Desk, undisturbed: dict[str, torch.Tensor]
) -> None:
    killer = kill_at_work(desk, "ray::RayTrainWorker")
    (digest,) = desk.ensure(LONG, workers=2)
    killer.join()
    assert desk.store.fetch(digest, LONG.network).card["workers"] == 2
    assert desk.runs[0].data.tags["workers"] == "2"
    assert_went_on(desk)


@pytest.mark.slow
def test_two_workers_take_the_steps_of_one(desk: Desk) -> None:
    """But for rounding, which grows with every step, so that only the first few can be compared.

    Adam divides a gradient by its size: of those near 0 rounding decides. So it is the median that is small.
    """
    short = recipe_of(max_epochs=1)
    (alone,) = desk.ensure(short)
    desk.store.storage.delete(f"encoders/{alone}.json")
    weights = desk.store.storage.read(f"encoders/{alone}.safetensors")
    (together,) = desk.ensure(short, workers=2)
    found = desk.store.fetch(together, short.network).weights
    expected = unpack_weights(weights, source=alone)
    names = [name for name in expected if name.endswith((".weight", ".bias"))]
    apart = torch.cat([(found[name] - expected[name]).abs().flatten() for name in names])
    assert apart.median() < 0.1 * short.pretraining.learning_rate


def test_a_network_that_fails_is_named_and_the_others_are_there(desk: Desk) -> None:
    failing = replace(RECIPE, validation=("P99",))
    with pytest.raises(PretrainingFailedError, match=f"recipe {failing.digest[:12]} failed: .*P99"):
        desk.ensure(failing, RECIPE)
    assert desk.store.find(RECIPE)
    assert sorted(run.info.status for run in desk.runs) == ["FAILED", "FINISHED"]
    (failed,) = [run for run in desk.runs if run.info.status == "FAILED"]
    assert "P99" in failed.data.tags["error"]
    with pytest.raises(PretrainingFailedError):
        desk.ensure(failing)
    assert sorted(run.info.status for run in desk.runs) == ["FAILED", "FINISHED"]


def test_a_network_that_another_command_trains_is_waited_for(
    desk: Desk, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    elsewhere = Desk(tmp_path / "elsewhere", desk.ledger, desk.subjects)
    (digest,) = elsewhere.ensure(RECIPE)
    (run,) = desk.runs
    desk.ledger.client.update_run(run.info.run_id, status="RUNNING")
    desk.ledger.client.set_tag(run.info.run_id, DRIVER, "elsewhere/1/1")
    encoder = elsewhere.store.fetch(digest, RECIPE.network)

    def publish() -> None:
        wait_until(lambda: "trained by another command" in caplog.text, "it waits")
        desk.store.publish(encoder.weights, RECIPE, {"scores": {}})

    other = threading.Thread(target=publish)
    other.start()
    assert desk.ensure(RECIPE) == [digest]
    other.join()
    assert [run.info.run_id for run in desk.runs] == [run.info.run_id]


def test_a_record_that_is_away_gets_it_the_next_time(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise MlflowException("it does not answer")

    with monkeypatch.context() as patched:
        for name in ("create_run", "search_runs", "log_batch"):
            patched.setattr(desk.ledger.client, name, away)
        pretrainer = desk.pretrainer()
        digest = pretrainer.ensure([RECIPE])[RECIPE]
    assert pretrainer.networks.unrecorded == [digest]
    assert "is not recorded yet: it does not answer" in caplog.text
    assert desk.ensure(RECIPE) == [digest]
    assert [run.data.tags["encoder_digest"] for run in desk.runs] == [digest]
    assert desk.left_in_storage == []


def test_a_journal_of_a_training_that_came_to_nothing_is_no_run(desk: Desk) -> None:
    desk.ensure(RECIPE)
    desk.store.storage.write(
        f"pretraining/{RECIPE.digest}.json",
        b'{"workers": 1, "history": [], "metrics": {}, "stop_reason": ""}',
    )
    desk.ensure(RECIPE)
    assert (len(desk.runs), desk.left_in_storage) == (1, [])


@pytest.mark.usefixtures("subjects")
def test_workers_that_can_never_work_are_refused() -> None:
    check_workers(2, RECIPE.pretraining)
    with pytest.raises(InputError, match=r"--workers 3: a step has 2 patches \(pretraining\.batch_size\)"):
        check_workers(3, RECIPE.pretraining)
    room = int(ray.cluster_resources()["CPU"])
    check_room(room, TrialResources(cpus=1.0, gpus=0.0))
    with pytest.raises(
        InputError, match=rf"--workers {room + 1}: the cluster has room for {room} at once .*cpus 1"
    ):
        check_room(room + 1, TrialResources(cpus=1.0, gpus=0.0))
    # Half a GPU would do for one.
    with pytest.raises(InputError, match=r"--workers 2: .*cpus 1, gpus 1"):
        check_room(2, TrialResources(cpus=1.0, gpus=0.5))
