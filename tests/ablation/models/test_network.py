"""A trial's network comes back whole, or the message says what of it is missing."""

from pathlib import Path

import pytest
import torch
from mlflow.entities import Run

from ablation.models.network import load_network
from ablation.record.ledger import Ledger
from ablation.record.settings import SETTINGS_FILE
from ablation.store.pretrained import EncoderStore
from ablation.store.storage import Storage
from t1t2core.errors import InputError
from t1t2core.network.segmenter import Segmenter
from t1t2core.preparation.patches import Voxel
from t1t2core.strategies import StrategyName, TunedLayers
from tests.builders.records import SMALL, publish_encoder, record_trial, tuned_network

IMAGE: Voxel = (16, 24, 16)


@pytest.fixture
def encoders(tmp_path: Path) -> EncoderStore:
    return EncoderStore(Storage(str(tmp_path / "store")))


def run_of(ledger: Ledger, identifier: str) -> Run:
    return ledger.client.get_run(identifier)


@pytest.mark.parametrize(
    ("strategy", "layers"),
    [
        ("no_fine_tuning", None),
        ("open", None),
        ("conservative", "fc"),
        ("conservative", 9),
        ("hybrid", None),
        ("scratch", None),
        ("augmented", None),
    ],
)
def test_it_labels_as_it_did(
    ledger: Ledger, encoders: EncoderStore, strategy: StrategyName, layers: TunedLayers | None
) -> None:
    digest = "" if strategy in ("scratch", "augmented") else publish_encoder(encoders)
    network = tuned_network(encoders, digest, strategy, layers).eval()
    run = record_trial(ledger, network, strategy=strategy, tuned_layers=layers, encoder=digest)
    loaded = load_network(ledger, encoders, run_of(ledger, run))
    image = torch.randn((1, 1, *IMAGE), generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        assert torch.equal(loaded.network.eval()(image), network(image))
    assert loaded.preparation == SMALL.preparation
    assert loaded.training == (SMALL.pretraining if strategy == "augmented" else SMALL.training)


def test_adapted_norms_come_back(ledger: Ledger, encoders: EncoderStore) -> None:
    digest = publish_encoder(encoders)
    network = tuned_network(encoders, digest, "norm_adaptation")
    assert isinstance(network, Segmenter)
    network.norms_adapted = True
    for name, tensor in network.trained_state().items():
        if name.endswith("running_mean"):
            tensor.add_(1.0)
    run = record_trial(ledger, network, strategy="norm_adaptation", tuned_layers=None, encoder=digest)
    loaded = load_network(ledger, encoders, run_of(ledger, run)).network.state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in network.state_dict().items())


def test_weights_or_encoder_that_are_missing_are_named(ledger: Ledger, encoders: EncoderStore) -> None:
    digest = publish_encoder(encoders)
    network = tuned_network(encoders, digest, "open")
    run = run_of(ledger, record_trial(ledger, network, strategy="open", tuned_layers=None, encoder=digest))
    encoders.storage.delete(f"encoders/{digest}.json")
    with pytest.raises(InputError, match=f"no encoder {digest} in"):
        load_network(ledger, encoders, run)
    publish_encoder(encoders)
    weights = Path(run.info.artifact_uri.removeprefix("file://")) / "weights.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:100])
    with pytest.raises(InputError, match="no whole safetensors file"):
        load_network(ledger, encoders, run)
    weights.unlink()
    with pytest.raises(InputError, match=f"weights of run {run.info.run_id} .* are not at"):
        load_network(ledger, encoders, run)


def test_weights_of_another_trial_are_refused(ledger: Ledger, encoders: EncoderStore) -> None:
    digest, other = publish_encoder(encoders), publish_encoder(encoders, seed=6)
    network = tuned_network(encoders, digest, "open")
    named_wrong = record_trial(ledger, network, strategy="conservative", tuned_layers=9, encoder=digest)
    with pytest.raises(InputError, match="do not fit its settings"):
        load_network(ledger, encoders, run_of(ledger, named_wrong))
    run = record_trial(ledger, network, strategy="open", tuned_layers=None, encoder=digest)
    ledger.client.set_tag(run, "encoder_digest", other)
    with pytest.raises(InputError, match=f"trained on pretrained network {digest}, the record says {other}"):
        load_network(ledger, encoders, run_of(ledger, run))


def test_a_record_older_than_the_file_of_settings_is_read_from_its_params(
    ledger: Ledger, encoders: EncoderStore
) -> None:
    network = tuned_network(encoders, "", "scratch")
    run = run_of(ledger, record_trial(ledger, network, strategy="scratch", tuned_layers=None))
    file = Path(run.info.artifact_uri.removeprefix("file://")) / SETTINGS_FILE
    with_file = load_network(ledger, encoders, run)
    file.unlink()
    without = load_network(ledger, encoders, run)
    assert (without.preparation, without.training) == (with_file.preparation, with_file.training)
    assert without.training == SMALL.training
