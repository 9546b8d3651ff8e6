"""Gradual unfreezing: the classifier first, then a stage more every few epochs."""

import pytest
import torch
from torch import Tensor

from t1t2core.settings import NetworkSettings, TrainingSettings
from t1t2core.strategies import STRATEGIES, Factors
from t1t2core.training.compute import Compute
from t1t2core.training.feature_store import FeatureStore
from t1t2core.training.fit import Fit
from tests.builders.heads import (
    FLOAT32,
    clone,
    different,
    make_fit,
    make_scan,
    make_training,
    pretrained_state,
)

STAGES = [f"network.encoder.stages.{n}." for n in range(4)] + [
    f"network.decoder.stages.{n}." for n in range(4)
]


@pytest.fixture(scope="module")
def pretrained() -> dict[str, Tensor]:
    return pretrained_state()


def start(
    pretrained: dict[str, Tensor], epochs: int = 1, compute: Compute = FLOAT32, **training: object
) -> Fit:
    settings: TrainingSettings = make_training(max_epochs=20, **training)
    network = STRATEGIES["gradual"].build(
        Factors(strategy="gradual"),
        NetworkSettings(width=4, gradual_epochs=epochs),
        pretrained=clone(pretrained),
    )
    scans = [make_scan(1, "T2"), make_scan(2, "T2")]
    return make_fit(network, scans, settings, compute=compute)


def stages_changed(fit: Fit) -> set[int]:
    """Numbers of the stages of which an epoch changes a tensor, batch norm's statistics included."""
    before = clone(fit.network.state_dict())
    fit.run_epoch()
    changed = different(fit.network.state_dict(), before)
    return {number for number, stage in enumerate(STAGES) if any(name.startswith(stage) for name in changed)}


def test_each_epoch_tunes_one_stage_more_until_all_are(pretrained: dict[str, Tensor]) -> None:
    fit = start(pretrained)
    for epoch in range(10):
        assert stages_changed(fit) == set(range(max(0, 7 - epoch), 8))


def test_or_one_stage_more_every_few_epochs(pretrained: dict[str, Tensor]) -> None:
    fit = start(pretrained, epochs=3)
    assert [len(stages_changed(fit)) for _ in range(7)] == [1, 1, 1, 2, 2, 2, 3]


def test_frozen_stages_are_computed_once_a_patch_and_anew_when_one_is_thawed(
    pretrained: dict[str, Tensor],
) -> None:
    """With room to keep their features nothing else comes out."""
    store = FeatureStore(2**28)
    kept, computed = (
        start(pretrained, compute=c) for c in (Compute(precision="float32", features=store), FLOAT32)
    )
    for _ in range(9):
        kept.run_epoch()
        computed.run_epoch()
    assert different(kept.network.state_dict(), computed.network.state_dict()) == set()
    lengths = {len(entry.features.indices) for entry in store._kept.values()}
    assert lengths == {0, 1, 2, 3}, "stages on all grids were kept"


def test_all_is_stored_whenever_the_best_weights_are_from(pretrained: dict[str, Tensor]) -> None:
    fit = start(pretrained)
    fit.run_epoch()
    assert fit.network.trained_state().keys() == fit.network.state_dict().keys()
    assert all(torch.equal(t, fit.network.state_dict()[n]) for n, t in fit.network.trained_state().items())
