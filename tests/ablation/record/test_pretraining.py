"""The record of pretrained networks: a run for each, by whoever trains it, and none left over."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow.entities import Run

from ablation.names import DRIVER, HEARTBEAT
from ablation.plan.recipe import EncoderRecipe
from ablation.record import pretraining as pretraining_record
from ablation.record.ledger import Ledger
from ablation.record.pretraining import PretrainingRecord
from ablation.store.pretraining_journal import Journal
from tests.builders.pretrained import RECIPE, recipe_of
from tests.conftest import Record

LEASE = 60.0
ENCODER, ADDRESS = "d" * 64, "s3://bucket/encoders/d.safetensors"
HISTORY = [
    {"epoch": e, "at": 1_800_000_000.0 + e, "train/loss": 1 / e, "validation/bone/dsc": 0.1 * e}
    for e in (1, 2)
]
JOURNAL = Journal(
    workers=2,
    history=HISTORY,
    metrics={"best_validation_T1/bone/dsc": 0.2, "best_validation_T1/bone/precision": float("nan")},
    stop_reason="converged",
)


@pytest.fixture
def shared(tmp_path: Path, add_record: Callable[[Path], Record]) -> Record:
    return add_record(tmp_path)


@pytest.fixture
def ledger(shared: Record) -> Ledger:
    return shared.open()


@pytest.fixture
def record(ledger: Ledger) -> PretrainingRecord:
    return PretrainingRecord(ledger, {"git_commit": "abc"}, LEASE)


def runs(ledger: Ledger) -> list[Run]:
    found = ledger.client.get_experiment_by_name("pretraining")
    return [] if found is None else list(ledger.client.search_runs([found.experiment_id]))


def test_a_network_is_one_run_with_recipe_losses_and_scores(
    ledger: Ledger, record: PretrainingRecord
) -> None:
    assert record.claim(RECIPE)
    assert [run.info.status for run in runs(ledger)] == ["RUNNING"]
    record.follow(RECIPE, HISTORY[:1])
    record.follow(RECIPE, HISTORY)
    assert record.finish(RECIPE, ENCODER, ADDRESS, JOURNAL)
    (run,) = runs(ledger)
    assert run.info.status == "FINISHED"
    history = ledger.client.get_metric_history(run.info.run_id, "train/loss")
    assert [(metric.step, metric.value) for metric in history] == [(1, 1.0), (2, 0.5)]
    assert run.data.metrics["best_validation_T1/bone/dsc"] == 0.2
    assert "best_validation_T1/bone/precision" not in run.data.metrics
    params = {
        "pretraining.max_epochs": "4",
        "network.width": "4",
        "training_patients": "3",
        "validation_patients": "2",
        "precision": "float32",
    }
    assert params.items() <= run.data.params.items()
    tags = {
        "kind": "pretraining",
        "encoder_digest": ENCODER,
        "encoder": ADDRESS,
        "recipe_digest": RECIPE.digest,
        "stop_reason": "converged",
        "workers": "2",
        "git_commit": "abc",
    }
    assert tags.items() <= run.data.tags.items()
    assert "mlflow.parentRunId" not in run.data.tags


def test_a_network_is_recorded_once_however_often_it_is_told(
    ledger: Ledger, record: PretrainingRecord
) -> None:
    for _ in range(2):
        assert record.finish(RECIPE, ENCODER, ADDRESS, JOURNAL)
    record.claim(RECIPE)
    assert record.finish(RECIPE, ENCODER, ADDRESS, JOURNAL)
    assert [run.info.status for run in runs(ledger)] == ["FINISHED"]
    assert record.finish(recipe_of(max_epochs=5), "e" * 64, ADDRESS, JOURNAL)
    assert len(runs(ledger)) == 2


def test_what_was_broken_off_is_replaced(shared: Record, ledger: Ledger, record: PretrainingRecord) -> None:
    record.claim(RECIPE)
    (left,) = runs(ledger)
    ledger.client.set_tag(left.info.run_id, DRIVER, f"{left.data.tags[DRIVER].rpartition('/')[0]}/1")
    later = PretrainingRecord(shared.open(), {}, LEASE)
    assert later.claim(RECIPE)
    later.stop()
    assert [run.info.status for run in runs(ledger)] == ["KILLED"]
    assert later.claim(RECIPE)
    later.fail(RECIPE, "no memory", "the traceback")
    (failed,) = runs(ledger)
    assert (failed.info.status, failed.data.tags["error"]) == ("FAILED", "no memory")
    assert later.finish(RECIPE, ENCODER, ADDRESS, JOURNAL)
    assert [run.info.status for run in runs(ledger)] == ["FINISHED"]


@pytest.fixture
def theirs(ledger: Ledger, record: PretrainingRecord) -> str:
    """A run that a driver on another machine is at work on."""
    record.claim(RECIPE)
    (run,) = runs(ledger)
    ledger.client.set_tag(run.info.run_id, DRIVER, "elsewhere/1/1")
    return str(run.info.run_id)


def test_what_another_driver_trains_is_left_to_it_while_it_beats(shared: Record, theirs: str) -> None:
    ledger = shared.open()
    record = PretrainingRecord(ledger, {}, LEASE)
    assert not record.claim(RECIPE)
    assert not record.finish(RECIPE, ENCODER, ADDRESS, JOURNAL)
    assert [run.info.run_id for run in runs(ledger)] == [theirs]
    ledger.client.set_tag(theirs, HEARTBEAT, f"{time.time() - 20 * LEASE:.0f}")
    assert record.claim(RECIPE)
    assert theirs not in [run.info.run_id for run in runs(ledger)]


def test_of_two_claims_at_once_the_lower_run_id_wins(
    shared: Record, theirs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = shared.open()
    record = PretrainingRecord(ledger, {}, LEASE)
    real = PretrainingRecord._runs
    asked: list[bool] = []

    def found(self: PretrainingRecord, recipe: EncoderRecipe) -> list[Run]:
        asked.append(True)
        return [] if len(asked) == 1 else real(self, recipe)

    monkeypatch.setattr(PretrainingRecord, "_runs", found)
    won = record.claim(RECIPE)
    first, *others = sorted(run.info.run_id for run in runs(ledger))
    assert (first == theirs, others) == (not won, [])


def test_a_claim_is_kept_alive(
    ledger: Ledger, record: PretrainingRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    record.claim(RECIPE)
    (run,) = runs(ledger)
    ledger.client.set_tag(run.info.run_id, HEARTBEAT, "0")
    record.beat()
    assert runs(ledger)[0].data.tags[HEARTBEAT] == "0"
    now = time.monotonic() + LEASE
    monkeypatch.setattr(pretraining_record.time, "monotonic", lambda: now)
    record.beat()
    assert float(runs(ledger)[0].data.tags[HEARTBEAT]) > 0
