"""A trial that was broken off goes on where its checkpoint left it."""

from pathlib import Path

import pytest
import torch

from ablation.store.checkpoints import Checkpoint, load_checkpoint, remove_checkpoint, save_checkpoint
from ablation.store.storage import Storage

HISTORY = [{"epoch": 1, "at": 1_800_000_000.25, "train/loss": 0.1}]


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(str(tmp_path))


def checkpoint(value: float) -> Checkpoint:
    return Checkpoint({"epoch": 3, "weights": {"a": torch.full((2, 2), value)}}, HISTORY, 12.5)


def test_what_was_kept_is_read_back_and_replaced(storage: Storage) -> None:
    assert load_checkpoint(storage, "k") is None
    save_checkpoint(storage, "k", checkpoint(1.0))
    save_checkpoint(storage, "k", checkpoint(2.0))
    found = load_checkpoint(storage, "k")
    assert found is not None
    assert (found.history, found.seconds) == (HISTORY, 12.5)
    assert found.experiment["epoch"] == 3
    assert torch.equal(found.experiment["weights"]["a"], torch.full((2, 2), 2.0))
    assert storage.names("checkpoints") == ["checkpoints/k.safetensors"]
    assert load_checkpoint(storage, "another") is None


@pytest.mark.parametrize("damage", [lambda whole: whole[:-1], lambda whole: b"", lambda whole: b"x" * 99])
def test_one_that_cannot_be_read_counts_as_none(storage: Storage, damage: object) -> None:
    assert callable(damage)
    save_checkpoint(storage, "k", checkpoint(1.0))
    storage.write("checkpoints/k.safetensors", damage(storage.read("checkpoints/k.safetensors")))
    assert load_checkpoint(storage, "k") is None


def test_it_goes_when_its_trial_is_recorded(storage: Storage) -> None:
    save_checkpoint(storage, "k", checkpoint(1.0))
    remove_checkpoint(storage, "k")
    remove_checkpoint(storage, "k")
    assert storage.names("checkpoints") == []
