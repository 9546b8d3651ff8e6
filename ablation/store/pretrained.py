"""Pretrained T1 networks in object storage, named by their content.

`encoders/<sha256>.safetensors` holds the weights and `encoders/<sha256>.json` says what they are. The
JSON is written last, so an encoder that can be found is whole.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor

from ablation.plan.recipe import EncoderRecipe, t1_network
from ablation.store.storage import Storage, public
from t1t2core.errors import InputError
from t1t2core.network.weights import check_weights, pack_weights, unpack_weights
from t1t2core.settings import NetworkSettings

FOLDER = "encoders"
FORMAT = 1
DIGEST = "[0-9a-f]{64}"


@dataclass(frozen=True)
class Encoder:
    """A pretrained network.

    Args:
        digest: SHA-256 of its safetensors file.
        weights: all tensors of the T1 network, by name.
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
    """Publishes and finds pretrained networks."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage

    def publish(
        self, weights: Mapping[str, Tensor], recipe: EncoderRecipe, results: Mapping[str, Any]
    ) -> str:
        """Uploads weights, reads them back, then makes them findable. Gives their digest."""
        content = pack_weights(weights)
        digest = hashlib.sha256(content).hexdigest()
        self.storage.write(f"{FOLDER}/{digest}.safetensors", content)
        self._content(digest)
        card = {"format": FORMAT, "recipe": asdict(recipe), "recipe_digest": recipe.digest, **results}
        self.storage.write(f"{FOLDER}/{digest}.json", json.dumps(card, indent=2).encode())
        return digest

    def address(self, digest: str) -> str:
        """Where the weights of this digest lie."""
        return f"{public(self.storage.address)}/{FOLDER}/{digest}.safetensors"

    def find(self, recipe: EncoderRecipe) -> str | None:
        """Digest of the newest encoder of this recipe, or None."""
        cards = [name for name in self.storage.names(FOLDER) if name.endswith(".json")]
        fitting = [name for name in cards if self._card(name).get("recipe_digest") == recipe.digest]
        newest = max(fitting, key=self.storage.modified, default=None)
        return None if newest is None else newest.removeprefix(f"{FOLDER}/").removesuffix(".json")

    def fetch(self, digest: str, network: NetworkSettings) -> Encoder:
        """The encoder of this digest.

        Raises:
            InputError: it is not there, its content has another digest, or it does not fit `network`.
        """
        name = f"{FOLDER}/{digest}.json"
        if not self.storage.has(name):
            raise InputError(f"no encoder {digest} in {self.storage.address}/{FOLDER}")
        card = self._card(name)
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
        check_weights(weights, network, source=f"encoder {digest}")
        return Encoder(digest, weights, card)

    def adopt(self, source: str) -> str:
        """Digest of the encoder that `source` names: a digest in this store, or the address of a file.

        A file `FOLDER/NAME.safetensors` needs its card `FOLDER/NAME.json` beside it; both are copied here.

        Raises:
            InputError: nothing whole is there.
        """
        if not source.endswith(".safetensors"):
            if not re.fullmatch(DIGEST, source) or not self.storage.has(f"{FOLDER}/{source}.json"):
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
        check_weights(unpack_weights(content, source=source), network, source=source)
        digest = hashlib.sha256(content).hexdigest()
        self.storage.write(f"{FOLDER}/{digest}.safetensors", content)
        self.storage.write(f"{FOLDER}/{digest}.json", card)
        return digest

    def _card(self, name: str) -> dict[str, Any]:
        return json.loads(self.storage.read(name))

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
