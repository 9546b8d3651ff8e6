"""What a worker notes of a training, the driver reads, in another process and at another time."""

from pathlib import Path

import pytest

from ablation.store.pretraining_journal import Journal, read_journal, remove_journal, write_journal
from ablation.store.storage import Storage

UNDEFINED = float("nan")
JOURNAL = Journal(
    workers=2,
    history=[{"epoch": 1, "at": 1_800_000_000.5, "train/loss": 0.25}],
    metrics={"time/epochs": 1, "best_validation_T1/bone/dsc": 0.5},
    stop_reason="max_epochs",
)


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(str(tmp_path / "store"))


def test_a_journal_is_replaced_read_and_removed(storage: Storage) -> None:
    assert read_journal(storage, "recipe") is None
    write_journal(storage, "recipe", Journal(workers=2, history=[], metrics={}))
    write_journal(storage, "recipe", JOURNAL)
    assert read_journal(storage, "recipe") == JOURNAL
    assert read_journal(storage, "another") is None
    remove_journal(storage, "recipe")
    assert read_journal(storage, "recipe") is None
    remove_journal(storage, "recipe")


def test_an_undefined_score_is_no_obstacle(storage: Storage) -> None:
    write_journal(storage, "recipe", Journal(workers=1, history=[], metrics={"precision": UNDEFINED}))
    found = read_journal(storage, "recipe")
    assert found is not None
    assert found.metrics["precision"] != found.metrics["precision"]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"workers": 1}', b'{"of": "another version"}', b"\xff"]
)
def test_what_is_no_journal_counts_as_none(storage: Storage, content: bytes) -> None:
    storage.write("pretraining/recipe.json", content)
    assert read_journal(storage, "recipe") is None
