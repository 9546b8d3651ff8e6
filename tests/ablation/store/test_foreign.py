"""Weights from elsewhere are stored like a network trained here, under a recipe of their own."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from ablation.store.foreign import adopt_foreign
from ablation.store.pretrained import EncoderStore
from ablation.store.storage import Storage
from t1t2core.errors import InputError
from t1t2core.network.build import build_network
from t1t2core.settings import NetworkSettings

NETWORK = NetworkSettings(width=2)


def test_they_are_found_by_their_digest_and_nobody_is_known_to_be_seen(tmp_path: Path) -> None:
    weights, file = build_network(NETWORK, seed=4).state_dict(), tmp_path / "theirs.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in weights.items()}, file)
    encoders = EncoderStore(Storage(str(tmp_path / "store")))
    digest = adopt_foreign(encoders, file, NETWORK)
    found = encoders.fetch(digest, NETWORK)
    assert found.seen == frozenset()
    assert found.card["recipe"]["file"] == "theirs.safetensors"
    assert all(torch.equal(found.weights[name], tensor) for name, tensor in weights.items())
    assert adopt_foreign(encoders, file, NETWORK) == digest
    assert encoders.adopt(digest) == digest
    with pytest.raises(InputError, match="the encoder has 2, the space 4"):
        encoders.fetch(digest, NetworkSettings(width=4))


def test_what_does_not_fit_is_not_stored(tmp_path: Path) -> None:
    file = tmp_path / "theirs.safetensors"
    save_file({"weight": torch.zeros(3)}, file)
    encoders = EncoderStore(Storage(str(tmp_path / "store")))
    with pytest.raises(InputError, match="does not fit the network"):
        adopt_foreign(encoders, file, NETWORK)
    assert list(encoders.storage.names("encoders")) == []
