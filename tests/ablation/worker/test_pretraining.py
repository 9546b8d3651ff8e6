"""A network is pretrained and published, and a training that was broken off goes on as if it never was."""

import json
from pathlib import Path

import pytest

from ablation.plan.recipe import EncoderRecipe
from ablation.store.checkpoints import checkpointed, load_checkpoint
from ablation.store.pretrained import EncoderStore
from ablation.store.pretraining_journal import Journal, read_journal
from ablation.store.storage import Storage
from ablation.worker import pretraining as pretraining_worker
from ablation.worker.pretraining import Job, train
from t1t2core.experiment import EpochResult, Experiment
from tests.builders.pretrained import RECIPE, SUBJECTS


@pytest.fixture(autouse=True)
def _heads_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not in an object store: nothing here is of Ray."""
    monkeypatch.setattr(pretraining_worker, "Fetched", dict)


def job_of(folder: Path, *, recipe: EncoderRecipe = RECIPE, checkpoint_seconds: float | None = None) -> Job:
    return Job(
        recipe=recipe,
        subjects=SUBJECTS,
        storage=str(folder),
        workers=1,
        cpus=1,
        gpus=0,
        checkpoint_seconds=checkpoint_seconds,
    )


def journal_of(job: Job) -> Journal:
    journal = read_journal(Storage(job.storage), job.recipe.digest)
    assert journal is not None
    return journal


def published(job: Job) -> str:
    digest = EncoderStore(Storage(job.storage)).find(job.recipe)
    assert digest is not None
    return digest


def without_times(history: list[dict[str, float]]) -> list[str]:
    """Text, in which an undefined score equals another."""
    return [json.dumps({name: value for name, value in epoch.items() if name != "at"}) for epoch in history]


class BrokenOffError(Exception):
    """The worker is gone."""


def train_until(job: Job, epochs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker goes after so many epochs."""
    real = Experiment.run_epoch

    def run_epoch(self: Experiment) -> EpochResult:
        if self.fit is not None and self.fit.epoch == epochs:
            raise BrokenOffError
        return real(self)

    with monkeypatch.context() as patched:
        patched.setattr(Experiment, "run_epoch", run_epoch)
        with pytest.raises(BrokenOffError):
            train(job)


def test_a_network_is_published_with_its_scores_and_what_it_took(tmp_path: Path) -> None:
    job = job_of(tmp_path)
    train(job)
    store = EncoderStore(Storage(job.storage))
    encoder = store.fetch(published(job), RECIPE.network)
    assert encoder.seen == set(SUBJECTS)
    journal = journal_of(job)
    assert encoder.card["epochs"] == journal.metrics["time/epochs"] == len(journal.history) == 4
    assert encoder.card["stop_reason"] == journal.stop_reason == "max_epochs"
    for name in ("bone", "soft_tissue", "air", "internal_air"):
        score = f"best_validation_T1/{name}/dsc"
        assert journal.metrics[score] == encoder.card["scores"][score]
    assert journal.metrics["time/total_seconds"] >= 4 * journal.metrics["time/seconds_per_epoch"] > 0
    assert journal.metrics["memory/peak_mb"] > 0


@pytest.mark.parametrize("epochs", [1, 3])
def test_a_training_goes_on_from_its_checkpoint_to_the_same_bits(
    tmp_path: Path, epochs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = job_of(tmp_path / "undisturbed")
    train(undisturbed)
    job = job_of(tmp_path / "store", checkpoint_seconds=0)
    train_until(job, epochs, monkeypatch)
    storage = Storage(job.storage)
    checkpoint = load_checkpoint(storage, RECIPE.key)
    assert checkpoint is not None
    assert len(checkpoint.history) == epochs == len(journal_of(job).history)
    train(job)
    assert published(job) == published(undisturbed)
    history = journal_of(job).history
    assert history[:epochs] == checkpoint.history
    assert without_times(history) == without_times(journal_of(undisturbed).history)
    assert journal_of(job).metrics["time/total_seconds"] > checkpoint.seconds
    assert load_checkpoint(storage, RECIPE.key) is None


def test_checkpoints_are_as_rare_as_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for seconds in (None, 3600.0):
        job = job_of(tmp_path / str(seconds), checkpoint_seconds=seconds)
        train_until(job, 3, monkeypatch)
        assert load_checkpoint(Storage(job.storage), RECIPE.key) is None
        assert read_journal(Storage(job.storage), RECIPE.digest) is None


def test_a_damaged_checkpoint_is_as_none(tmp_path: Path) -> None:
    job = job_of(tmp_path, checkpoint_seconds=0)
    Storage(job.storage).write(f"checkpoints/{RECIPE.key}.safetensors", b"cut short")
    train(job)
    assert len(journal_of(job).history) == 4


def test_its_checkpoint_is_none_of_a_trial_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = job_of(tmp_path, checkpoint_seconds=0)
    train_until(job, 2, monkeypatch)
    assert checkpointed(Storage(job.storage)) == []


def test_what_another_driver_has_published_meanwhile_stays_the_one(tmp_path: Path) -> None:
    store = EncoderStore(Storage(str(tmp_path)))
    other = job_of(tmp_path / "elsewhere")
    train(other)
    weights = EncoderStore(Storage(other.storage)).fetch(published(other), RECIPE.network).weights
    theirs = store.publish({name: tensor + 1 for name, tensor in weights.items()}, RECIPE, {"scores": {}})
    job = job_of(tmp_path)
    train(job)
    assert published(job) == theirs
    assert len(store.storage.names("encoders")) == 2
