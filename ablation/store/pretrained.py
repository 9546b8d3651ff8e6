"""Pretrained networks in object storage, named by their content.

`encoders/<sha256>.safetensors` holds the weights and `encoders/<sha256>.json`, the card, says what they are.
The card is written after the weights, so an encoder that can be found is whole. By the name of a small
object, `encoders/by-recipe/<recipe digest>.<sha256>`, a network is found without reading all cards; it is
made from the card, also for networks that were published without it.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

from torch import Tensor

from ablation.plan.recipe import EncoderRecipe, t1_network
from ablation.store.storage import Storage, public
from t1t2core.errors import InputError
from t1t2core.network.weights import check_weights, pack_weights, unpack_weights
from t1t2core.settings import NetworkSettings
from t1t2core.settings.classes import STUDY_CLASSES

FOLDER = "encoders"
INDEX = f"{FOLDER}/by-recipe"
FORMAT = 1
DIGEST = "[0-9a-f]{64}"
UNKNOWN = "unknown"
"""In place of a recipe's digest: of cards that name none."""


@dataclass(frozen=True)
class Encoder:
    """A pretrained network.

    Args:
        digest: SHA-256 of its safetensors file.
        weights: all tensors of the pretrained network, by name.
        card: what its JSON says: recipe, scores, epochs and seconds of its training.
    """

    digest: str
    weights: dict[str, Tensor]
    card: dict[str, Any]

    @property
    def seen(self) -> frozenset[str]:
        """Patients that it was trained on or chosen by."""
        return frozenset(self.card["recipe"]["training"]) | frozenset(self.card["recipe"]["validation"])


class EncoderStore:
    """Store of pretrained networks: publishes and finds them."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage

    def publish(
        self, weights: Mapping[str, Tensor], recipe: EncoderRecipe, results: Mapping[str, Any]
    ) -> str:
        """Upload weights, read them back, then make them findable; return their digest."""
        return self.publish_as(weights, asdict(recipe), recipe.digest, results)

    def publish_as(
        self,
        weights: Mapping[str, Tensor],
        recipe: Mapping[str, Any],
        recipe_digest: str,
        results: Mapping[str, Any],
    ) -> str:
        """Publish weights by what they are made from, and its digest."""
        content = pack_weights(weights)
        digest = hashlib.sha256(content).hexdigest()
        self.storage.write(f"{FOLDER}/{digest}.safetensors", content)
        self._content(digest)
        card = {"format": FORMAT, "recipe": dict(recipe), "recipe_digest": recipe_digest, **results}
        self.storage.write(_card_name(digest), json.dumps(card, indent=2).encode())
        self._index(digest)
        return digest

    def address(self, digest: str) -> str:
        """Return where the weights of this digest lie."""
        return f"{public(self.storage.address)}/{FOLDER}/{digest}.safetensors"

    def find(self, recipe: EncoderRecipe) -> str | None:
        """Return the digest of the newest encoder of this recipe, or None."""
        names = [PurePosixPath(name) for name in self.storage.names(FOLDER)]
        cards = {name.stem for name in names if name.suffix == ".json"}
        indexed = {PurePosixPath(name).name for name in self.storage.names(INDEX)}
        indexed |= {self._index(digest) for digest in cards - {name.partition(".")[2] for name in indexed}}
        fitting = [digest for digest in cards if f"{recipe.digest}.{digest}" in indexed]
        # A card may have been replaced since it was indexed: other recipes can come to the same weights.
        fitting = [digest for digest in fitting if _recipe_of(self._card(digest)) == recipe.digest]
        return max(fitting, key=lambda digest: self.storage.modified(_card_name(digest)), default=None)

    def fetch(self, digest: str, network: NetworkSettings, classes: int = len(STUDY_CLASSES)) -> Encoder:
        """Return the encoder of this digest.

        Raises:
            InputError: it is not there, its content has another digest, or it does not fit `network`.
        """
        if not self.storage.has(_card_name(digest)):
            raise InputError(f"no encoder {digest} in {self.storage.address}/{FOLDER}")
        card = self._card(digest)
        # What a card does not know of was not there yet when the network was trained: it is as usual.
        found = asdict(NetworkSettings()) | card["recipe"]["network"]
        wanted = asdict(t1_network(network))
        differing = [
            f"network.{k}: the encoder has {found[k]}, the space {v}"
            for k, v in wanted.items()
            if found[k] != v
        ]
        if differing:
            raise InputError.collect(f"encoder {digest} has another architecture:", differing)
        weights = unpack_weights(self._content(digest), source=f"encoder {digest}")
        check_weights(weights, network, source=f"encoder {digest}", classes=classes)
        return Encoder(digest, weights, card)

    def adopt(self, source: str, classes: int = len(STUDY_CLASSES)) -> str:
        """Return the digest of the encoder that `source` names: a digest in this store, or a file's address.

        A file `FOLDER/NAME.safetensors` needs its card `FOLDER/NAME.json` beside it; both are copied here.

        Raises:
            InputError: nothing whole is there.
        """
        if not source.endswith(".safetensors"):
            if not re.fullmatch(DIGEST, source) or not self.storage.has(_card_name(source)):
                raise InputError(
                    f"--encoder {source}: neither a digest in {self.storage.address}/{FOLDER} nor a file"
                )
            return source
        folder, _, name = source.rpartition("/")
        elsewhere = Storage(folder or ".")
        try:
            content, card = elsewhere.read(name), elsewhere.read(name.removesuffix("safetensors") + "json")
            described = json.loads(card)
            network = NetworkSettings(**described["recipe"]["network"])
            described["recipe_digest"], described["recipe"]["training"], described["recipe"]["validation"]
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"--encoder {source}: it and its .json must be there and whole ({error})"
            ) from error
        # Before it is stored: what is there is found by later runs.
        check_weights(unpack_weights(content, source=source), network, source=source, classes=classes)
        digest = hashlib.sha256(content).hexdigest()
        self.storage.write(f"{FOLDER}/{digest}.safetensors", content)
        self.storage.write(_card_name(digest), card)
        self._index(digest)
        return digest

    def _index(self, digest: str) -> str:
        """Write the index's entry for a network that has a card; return the entry's name."""
        entry = f"{_recipe_of(self._card(digest))}.{digest}"
        self.storage.write(f"{INDEX}/{entry}", digest.encode())
        return entry

    def _card(self, digest: str) -> dict[str, Any]:
        return json.loads(self.storage.read(_card_name(digest)))

    def _content(self, digest: str) -> bytes:
        try:
            content = self.storage.read(f"{FOLDER}/{digest}.safetensors")
        except FileNotFoundError as error:
            raise InputError(
                f"encoder {digest} in {self.storage.address}: its card is there, its weights are not; "
                f"remove {FOLDER}/{digest}.json to have it trained anew"
            ) from error
        found = hashlib.sha256(content).hexdigest()
        if found != digest:
            raise InputError(
                f"encoder {digest} in {self.storage.address} is damaged: its content has digest {found}"
            )
        return content


def _card_name(digest: str) -> str:
    return f"{FOLDER}/{digest}.json"


def _recipe_of(card: Mapping[str, Any]) -> str:
    """Return the recipe's digest that a card names; it was not always written by this project."""
    named = str(card.get("recipe_digest"))
    return named if re.fullmatch(DIGEST, named) else UNKNOWN
