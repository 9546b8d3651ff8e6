"""Each part of the network that can be exchanged: it builds, learns, is kept on disk, and freezes as told."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from t1t2core.errors import InputError
from t1t2core.network.architectures import stages_before
from t1t2core.network.segmenter import Segmenter
from t1t2core.network.weights import check_weights, load_weights, save_weights
from t1t2core.settings import NetworkSettings
from t1t2core.training.compute import Compute
from t1t2core.training.feature_store import FeatureStore
from tests.builders.heads import clone, different, make_fit, make_scan, make_training

USUAL = NetworkSettings(width=2)
OTHERS = {
    "channel excitation": replace(USUAL, attention="channel"),
    "spatial excitation": replace(USUAL, attention="spatial"),
    "no attention": replace(USUAL, attention="none"),
    "instance norm": replace(USUAL, normalisation="instance"),
    "group norm": replace(USUAL, normalisation="group"),
}
CASES = pytest.mark.parametrize("settings", OTHERS.values(), ids=OTHERS)
IMAGE = torch.from_numpy(make_scan(9, "T2").image)[None, None]
SCANS = [make_scan(seed, "T2") for seed in (1, 2, 3)]
FROZEN_STAGES = 4


def make_frozen(settings: NetworkSettings, *, seed: int = 0) -> Segmenter:
    segmenter = Segmenter(settings, seed=seed)
    segmenter.freeze(stages_before(9))
    assert segmenter.frozen_stages == FROZEN_STAGES
    return segmenter


def train(segmenter: Segmenter, compute: Compute) -> dict[str, Tensor]:
    make_fit(segmenter, SCANS, make_training(), compute=compute).run_epoch()
    return clone(segmenter.state_dict())


@CASES
def test_it_has_other_tensors_or_computes_something_else(settings: NetworkSettings):
    usual, other = Segmenter(USUAL, seed=0).eval(), Segmenter(settings, seed=0).eval()
    assert other(IMAGE).shape == (1, 3, *IMAGE.shape[2:])
    assert usual.state_dict().keys() != other.state_dict().keys()
    assert not torch.equal(usual(IMAGE), other(IMAGE))


@pytest.mark.parametrize(
    ("attention", "parts"),
    [
        ("channel_spatial", {"channel", "spatial"}),
        ("channel", {"channel"}),
        ("spatial", {"spatial"}),
        ("none", set()),
    ],
)
def test_only_the_excitations_that_are_there_have_weights(attention: str, parts: set[str]):
    segmenter = Segmenter(replace(USUAL, attention=attention), seed=0)  # type: ignore[arg-type]
    names = [name.split(".") for name in segmenter.state_dict() if ".attention." in name]
    assert {name[name.index("attention") + 1] for name in names} == parts


@CASES
def test_a_training_changes_the_trained_layers_and_nothing_else(settings: NetworkSettings):
    segmenter = make_frozen(settings)
    before = clone(segmenter.state_dict())
    changed = different(before, train(segmenter, Compute(precision="float32")))
    assert any(name.endswith("convolutions.0.weight") for name in changed)
    assert all(name.startswith("decoder.") for name in changed)
    assert segmenter.trained_state().keys() == {name for name in before if name.startswith("decoder.")}


@CASES
def test_frozen_and_trained_part_in_turn_are_the_whole(settings: NetworkSettings):
    segmenter = Segmenter(settings, seed=0).eval()
    whole = segmenter(IMAGE)
    segmenter.freeze(FROZEN_STAGES)
    torch.testing.assert_close(segmenter.run_trained(segmenter.run_frozen(IMAGE)), whole)


@CASES
def test_features_of_frozen_layers_kept_or_not_give_the_same_weights(settings: NetworkSettings):
    kept, computed_again = (
        train(make_frozen(settings), Compute(precision="float32", features=FeatureStore(room)))
        for room in (2**28, 0)
    )
    assert different(kept, computed_again) == set()


def test_features_are_not_taken_from_a_network_of_other_parts_with_the_same_weights():
    """Instance and group norm have the same tensors: only the network says which it is."""
    store = FeatureStore(2**28)
    for normalisation in ("instance", "group"):
        settings = replace(USUAL, normalisation=normalisation)  # type: ignore[arg-type]
        store.begin_trial()
        found = train(make_frozen(settings), Compute(precision="float32", features=store))
        assert different(found, train(make_frozen(settings), Compute(precision="float32"))) == set()


@CASES
def test_weights_come_back_from_disk_with_the_network_that_they_are_of(
    tmp_path: Path, settings: NetworkSettings
):
    segmenter = Segmenter(settings, seed=0)
    train(segmenter, Compute(precision="float32"))
    save_weights(tmp_path / "t1.safetensors", segmenter.state_dict(), settings)
    state, described = load_weights(tmp_path / "t1.safetensors")
    assert described == settings
    again = Segmenter(described, seed=1)
    again.load_pretrained(state)
    assert torch.equal(again.eval()(IMAGE), segmenter.eval()(IMAGE))
    with pytest.raises(InputError, match="does not fit the network"):
        check_weights(state, USUAL, source="t1")


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@CASES
def test_it_trains_in_either_precision(settings: NetworkSettings, precision: str):
    shape = (24, 16, 16)
    scans = [make_scan(seed, shape=shape) for seed in (1, 2)]
    training = make_training(patch=shape, stride=shape)
    compute = Compute(precision=precision)  # type: ignore[arg-type]
    fit = make_fit(Segmenter(settings, seed=0), scans, training, compute=compute)
    losses = [fit.run_epoch().loss for _ in range(8)]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("normalisation", ["instance", "group"])
def test_a_patch_in_training_is_labelled_the_same_whatever_is_beside_it(normalisation: str):
    settings = replace(USUAL, normalisation=normalisation)  # type: ignore[arg-type]
    segmenter = Segmenter(settings, seed=0).train()
    other = torch.from_numpy(SCANS[0].image)[None, None]
    beside = segmenter(torch.cat([IMAGE, other]))[:1]
    torch.testing.assert_close(beside, segmenter(IMAGE))
    usual = Segmenter(USUAL, seed=0).train()
    assert not torch.allclose(usual(torch.cat([IMAGE, other]))[:1], usual(IMAGE))
