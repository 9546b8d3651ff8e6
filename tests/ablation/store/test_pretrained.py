"""A pretrained network is published once, found again by what made it, and checked before it is used."""

import json
import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ablation.store.pretrained import EncoderStore
from ablation.store.storage import Storage
from t1t2core.errors import InputError
from t1t2core.settings import NetworkSettings
from tests.builders.heads import TINY
from tests.builders.pretrained import RECIPE, RESULTS, weights_of


@pytest.fixture
def store(tmp_path: Path) -> EncoderStore:
    return EncoderStore(Storage(str(tmp_path / "store")))


def files_of(store: EncoderStore, digest: str) -> tuple[Path, Path]:
    """The weights and the card."""
    weights = Path(store.storage.address) / "encoders" / f"{digest}.safetensors"
    return weights, weights.with_suffix(".json")


def age(paths: Iterable[Path], seconds: int) -> None:
    for path in paths:
        then = path.stat().st_mtime - seconds
        os.utime(path, (then, then))


# Publish, find, fetch


def test_what_was_published_is_found_and_fetched(store: EncoderStore) -> None:
    weights = weights_of(1)
    digest = store.publish(weights, RECIPE, RESULTS)
    elsewhere = EncoderStore(Storage(store.storage.address))
    assert elsewhere.find(RECIPE) == digest
    encoder = elsewhere.fetch(digest, TINY)
    assert encoder.digest == digest
    assert encoder.weights.keys() == weights.keys()
    assert all(torch.equal(encoder.weights[name], tensor) for name, tensor in weights.items())
    assert encoder.seen == {*RECIPE.training, *RECIPE.validation}
    assert encoder.card["scores"] == RESULTS["scores"]
    assert encoder.card["recipe"]["network"]["width"] == TINY.width


def test_the_digest_is_that_of_the_content(store: EncoderStore) -> None:
    first, again = (store.publish(weights_of(1), RECIPE, RESULTS) for _ in range(2))
    assert first == again
    assert store.publish(weights_of(2), RECIPE, RESULTS) != first
    assert Path(store.address(first)) == files_of(store, first)[0]
    assert files_of(store, first)[0].is_file()


def test_nothing_is_found_where_nothing_was_published(store: EncoderStore) -> None:
    assert store.find(RECIPE) is None


@pytest.mark.parametrize(
    "change",
    [{"cohort_fingerprint": "another"}, {"training": ("P01",)}, {"network": replace(TINY, width=8)}],
    ids=str,
)
def test_an_encoder_of_another_recipe_is_not_found(store: EncoderStore, change: dict[str, object]) -> None:
    store.publish(weights_of(1), RECIPE, RESULTS)
    assert store.find(replace(RECIPE, **change)) is None  # type: ignore[arg-type]


def test_of_two_with_one_recipe_the_newer_is_found(store: EncoderStore) -> None:
    older, newer = (store.publish(weights_of(seed), RECIPE, RESULTS) for seed in (1, 2))
    age(files_of(store, older), 60)
    assert store.find(RECIPE) == newer
    age(files_of(store, newer), 120)
    assert store.find(RECIPE) == older


def test_an_upload_that_broke_off_is_not_found(store: EncoderStore) -> None:
    digest = store.publish(weights_of(1), RECIPE, RESULTS)
    files_of(store, digest)[1].unlink()
    assert store.find(RECIPE) is None


# What cannot be used


def test_an_unknown_digest_is_refused(store: EncoderStore) -> None:
    with pytest.raises(InputError, match=r"no encoder abc in .*store/encoders"):
        store.fetch("abc", TINY)


def test_an_encoder_without_its_card_is_refused(store: EncoderStore) -> None:
    digest = store.publish(weights_of(1), RECIPE, RESULTS)
    files_of(store, digest)[1].unlink()
    with pytest.raises(InputError, match=f"no encoder {digest}"):
        store.fetch(digest, TINY)


def test_a_card_without_its_weights_is_refused(store: EncoderStore) -> None:
    digest = store.publish(weights_of(1), RECIPE, RESULTS)
    files_of(store, digest)[0].unlink()
    with pytest.raises(InputError, match=digest):
        store.fetch(digest, TINY)


def test_a_changed_byte_is_noticed(store: EncoderStore) -> None:
    digest = store.publish(weights_of(1), RECIPE, RESULTS)
    path, _ = files_of(store, digest)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"encoder {digest} .*is damaged"):
        store.fetch(digest, TINY)


def test_a_file_cut_short_is_noticed(store: EncoderStore) -> None:
    digest = store.publish(weights_of(1), RECIPE, RESULTS)
    path, _ = files_of(store, digest)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(InputError, match=f"encoder {digest} .*is damaged"):
        store.fetch(digest, TINY)


def test_another_architecture_is_refused_with_both_values(store: EncoderStore) -> None:
    digest = store.publish(weights_of(1), RECIPE, RESULTS)
    wanted = NetworkSettings(width=8, unpooling="nearest")
    with pytest.raises(InputError, match="another architecture") as caught:
        store.fetch(digest, wanted)
    assert str(caught.value).splitlines()[1:] == [
        "  - network.width: the encoder has 4, the space 8",
        "  - network.unpooling: the encoder has indices, the space nearest",
    ]


def test_a_card_without_a_newer_setting_is_of_a_network_that_was_as_usual(store: EncoderStore) -> None:
    digest = store.publish(weights_of(1), RECIPE, RESULTS)
    _, path = files_of(store, digest)
    card = json.loads(path.read_text())
    del card["recipe"]["network"]["skip_connections"]
    path.write_text(json.dumps(card))
    assert store.fetch(digest, TINY).digest == digest
    with pytest.raises(InputError, match="the encoder has none, the space concatenation"):
        store.fetch(digest, replace(TINY, skip_connections="concatenation"))


def test_weights_that_do_not_fit_their_card_are_refused_tensor_by_tensor(store: EncoderStore) -> None:
    weights = weights_of(1)
    name, tensor = next(iter(weights.items()))
    del weights[name]
    digest = store.publish({**weights, "stranger": tensor}, RECIPE, RESULTS)
    with pytest.raises(InputError, match="stranger: unknown") as caught:
        store.fetch(digest, TINY)
    assert f"{name}: missing" in str(caught.value)


# An encoder that the user names


def published_elsewhere(folder: Path, name: str = "mine.safetensors") -> Path:
    """An encoder in a colleague's folder, under a name of their own, its card beside it."""
    colleague = EncoderStore(Storage(str(folder)))
    weights, card = files_of(colleague, colleague.publish(weights_of(1), RECIPE, RESULTS))
    weights.rename(folder / name)
    card.rename((folder / name).with_suffix(".json"))
    return folder / name


def test_a_digest_of_this_store_is_taken_as_it_is(store: EncoderStore) -> None:
    digest = store.publish(weights_of(1), RECIPE, RESULTS)
    assert store.adopt(digest) == digest


@pytest.mark.parametrize("kind", ["path", "uri", "relative"])
def test_a_file_is_brought_into_the_store(
    store: EncoderStore, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = published_elsewhere(tmp_path)
    monkeypatch.chdir(tmp_path)
    digest = store.adopt({"path": str(file), "uri": file.as_uri(), "relative": file.name}[kind])
    file.unlink()
    encoder = store.fetch(digest, TINY)
    expected = weights_of(1)
    assert all(torch.equal(encoder.weights[name], tensor) for name, tensor in expected.items())
    assert encoder.seen == {*RECIPE.training, *RECIPE.validation}


@pytest.mark.parametrize("source", ["0123abcd", "no/such/file.safetensors", "s3://"])
def test_what_is_nowhere_is_refused(store: EncoderStore, source: str) -> None:
    with pytest.raises(InputError, match=f"--encoder {source}"):
        store.adopt(source)


def test_a_file_without_its_card_is_refused(store: EncoderStore, tmp_path: Path) -> None:
    file = published_elsewhere(tmp_path)
    file.with_suffix(".json").unlink()
    with pytest.raises(InputError, match=r"--encoder .*mine.safetensors: it and its .json must be there"):
        store.adopt(str(file))


@pytest.mark.parametrize("card", ["", "{", "{}", "[]", "null", '{"recipe": 3}'])
def test_a_card_that_says_nothing_is_refused(store: EncoderStore, tmp_path: Path, card: str) -> None:
    file = published_elsewhere(tmp_path)
    file.with_suffix(".json").write_text(card)
    with pytest.raises(InputError, match=r"--encoder .*mine.safetensors"):
        store.adopt(str(file))


def test_a_damaged_file_that_was_named_once_is_never_found_by_later_runs(
    store: EncoderStore, tmp_path: Path
) -> None:
    file = published_elsewhere(tmp_path)
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(InputError, match="safetensors"):
        store.fetch(store.adopt(str(file)), TINY)
    assert store.find(RECIPE) is None


def test_a_card_of_another_make_does_not_stop_later_runs(store: EncoderStore, tmp_path: Path) -> None:
    file = published_elsewhere(tmp_path)
    card = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
    del card["recipe_digest"]
    file.with_suffix(".json").write_text(json.dumps(card))
    with suppress(InputError):  # to refuse it is right, too
        store.adopt(str(file))
    assert store.find(RECIPE) in (None, *(path.stem for path in tmp_path.rglob("*.safetensors")))


# The index by recipe


class Counted(Storage):
    """Storage that counts the cards which are read."""

    cards = 0

    def read(self, name: str) -> bytes:
        self.cards += name.endswith(".json")
        return super().read(name)


@pytest.fixture
def counted(tmp_path: Path) -> EncoderStore:
    return EncoderStore(Counted(str(tmp_path / "store")))


def cards_read(store: EncoderStore) -> int:
    """Of the store's cards, since this was asked last."""
    assert isinstance(store.storage, Counted)
    number, store.storage.cards = store.storage.cards, 0
    return number


def test_looking_for_a_network_reads_no_card_but_its_own(counted: EncoderStore) -> None:
    """While another command trains it, it is looked for every few seconds, whatever else the bucket has."""
    for seed in range(3):
        counted.publish(weights_of(seed), replace(RECIPE, science=10 + seed), RESULTS)
    cards_read(counted)
    assert counted.find(RECIPE) is None
    assert cards_read(counted) == 0
    digest = counted.publish(weights_of(3), RECIPE, RESULTS)
    cards_read(counted)
    assert counted.find(RECIPE) == digest
    assert cards_read(counted) == 1


def test_networks_that_were_published_without_the_index_are_found_and_read_once(
    counted: EncoderStore,
) -> None:
    digests = [
        counted.publish(weights_of(seed), replace(RECIPE, science=10 + seed), RESULTS) for seed in range(3)
    ]
    shutil.rmtree(Path(counted.storage.address) / "encoders" / "by-recipe")
    cards_read(counted)
    assert counted.find(RECIPE) is None
    assert cards_read(counted) == 3
    assert counted.find(RECIPE) is None
    assert cards_read(counted) == 0, "and are in the index from then on"
    assert [counted.find(replace(RECIPE, science=10 + seed)) for seed in range(3)] == digests


def test_an_adopted_network_is_found_by_its_recipe(counted: EncoderStore, tmp_path: Path) -> None:
    digest = counted.adopt(str(published_elsewhere(tmp_path)))
    cards_read(counted)
    assert counted.find(RECIPE) == digest
    assert cards_read(counted) == 1


def test_a_network_whose_card_now_names_another_recipe_is_found_by_that_one_alone(
    store: EncoderStore,
) -> None:
    """Two recipes that came to the same weights share a card."""
    other = replace(RECIPE, science=2)
    assert store.publish(weights_of(1), RECIPE, RESULTS) == store.publish(weights_of(1), other, RESULTS)
    assert store.find(RECIPE) is None
    assert store.find(other) is not None


def test_a_card_from_elsewhere_cannot_write_outside_the_index(store: EncoderStore, tmp_path: Path) -> None:
    file = published_elsewhere(tmp_path)
    card = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
    card["recipe_digest"] = "../../outside"
    file.with_suffix(".json").write_text(json.dumps(card))
    store.adopt(str(file))
    assert store.find(RECIPE) is None
    assert not list(tmp_path.rglob("outside*"))
