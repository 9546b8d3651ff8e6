"""The hybrid: a frozen T1 encoder beside a fresh T2 encoder, one decoder."""

from dataclasses import replace
from typing import get_args

import pytest
import torch
from torch import Tensor

from t1t2core.network.hybrid import HybridSegmenter
from t1t2core.network.segmenter import Segmenter
from t1t2core.network.stage import Features
from t1t2core.settings import Fusion
from t1t2core.training.fit import Fit
from t1t2core.training.patch_set import PatchSet
from tests.builders.heads import (
    FLOAT32,
    PLENTY,
    TINY,
    clone,
    different,
    make_scan,
    make_training,
    pretrained_state,
)

OPERATORS = get_args(Fusion)
SCANS = [make_scan(1, "T2"), make_scan(2, "T2")]


def make_hybrid(fusion: Fusion, **settings: object) -> HybridSegmenter:
    hybrid = HybridSegmenter(replace(TINY, **settings), fusion, seed=3)  # type: ignore[arg-type]
    hybrid.load_pretrained(pretrained_state(hybrid.settings))
    return hybrid


def train(hybrid: HybridSegmenter, compute: object = FLOAT32) -> None:
    settings = make_training()
    fit = Fit(hybrid, PatchSet.cut(SCANS, settings), settings, learning_rate=1e-2, seed=0, compute=compute)  # type: ignore[arg-type]
    fit.run_epoch()
    fit.run_epoch()


@pytest.mark.parametrize("fusion", OPERATORS)
def test_adapted_encoder_is_untouched_by_training_and_all_else_learns(fusion: Fusion) -> None:
    hybrid = make_hybrid(fusion)
    before = clone(hybrid.state_dict())
    train(hybrid)
    changed = different(before, clone(hybrid.state_dict()))
    loaded = {
        f"adapted.{n.removeprefix('encoder.')}": t
        for n, t in pretrained_state().items()
        if n.startswith("encoder.")
    }
    assert not [name for name in changed if name.startswith("adapted.")]
    assert all(torch.equal(hybrid.state_dict()[name], tensor) for name, tensor in loaded.items())
    kernels = [
        n for n in before if "convolutions" in n and n.endswith("0.weight") and not n.startswith("adapted.")
    ]
    assert set(kernels) <= changed


@pytest.mark.parametrize("fusion", OPERATORS)
def test_gradient_reaches_the_dedicated_encoder_but_not_the_adapted_one(fusion: Fusion) -> None:
    hybrid = make_hybrid(fusion)
    hybrid(
        torch.randn(1, 1, 16, 16, 16, generator=torch.Generator().manual_seed(0))
    ).square().mean().backward()
    first = hybrid.dedicated.stages[0].block.convolutions["0"].weight
    assert first.grad is not None
    assert first.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in hybrid.adapted.parameters())


@pytest.mark.parametrize("skips", ["none", "concatenation"])
@pytest.mark.parametrize("fusion", OPERATORS)
def test_what_the_frozen_encoder_gives_may_be_kept_without_changing_a_bit(fusion: Fusion, skips: str) -> None:
    both = {"skip_connections": skips, "hybrid_indices": "adapted"}
    computed, kept = make_hybrid(fusion, **both), make_hybrid(fusion, **both)
    train(computed, FLOAT32)
    train(kept, PLENTY)
    assert not different(clone(computed.state_dict()), clone(kept.state_dict()))


def test_only_concatenation_widens_the_decoder() -> None:
    widths = {
        fusion: make_hybrid(fusion).decoder.stages[0].block.convolutions["0"].weight.shape[1]
        for fusion in OPERATORS
    }
    assert widths.pop("concatenation") == 2 * 4 * TINY.width
    assert set(widths.values()) == {4 * TINY.width}


@pytest.mark.parametrize("fusion", OPERATORS)
@pytest.mark.parametrize("source", ["dedicated", "adapted"])
def test_skip_connections_come_from_the_encoder_of_the_indices(source: str, fusion: Fusion) -> None:
    hybrid = make_hybrid(fusion, skip_connections="concatenation", hybrid_indices=source)
    encoders = {"dedicated": hybrid.dedicated, "adapted": hybrid.adapted}
    image = torch.randn(1, 1, 16, 16, 16, generator=torch.Generator().manual_seed(0))
    taken: list[Tensor] = []
    last = hybrid.decoder.stages[2]
    last.register_forward_pre_hook(lambda _, given: taken.extend(given[0].skips))
    with torch.no_grad():
        hybrid.eval()(image)
        (skip,) = taken
        assert torch.equal(skip, encoders[source].stages[0](Features(image)).skips[0])


def test_decoder_starts_afresh_or_from_the_t1_network() -> None:
    t1 = pretrained_state()
    name = "decoder.stages.1.block.convolutions.0.weight"
    assert not torch.equal(make_hybrid("average").state_dict()[name], t1[name])
    from_t1 = make_hybrid("average", hybrid_decoder="pretrained")
    assert torch.equal(from_t1.state_dict()[name], t1[name])
    assert not from_t1.fresh_classifier


def test_record_holds_all_but_the_adapted_encoder() -> None:
    hybrid = make_hybrid("maximum")
    names = set(hybrid.trained_state())
    assert names == {name for name in hybrid.state_dict() if not name.startswith("adapted.")}
    assert len(names) > len(Segmenter(TINY, seed=0).state_dict()) / 2


def test_an_encoder_trained_beforehand_is_frozen_too() -> None:
    hybrid = make_hybrid("average")
    t2 = pretrained_state(seed=9)
    hybrid.freeze_dedicated(t2)
    before = clone(hybrid.state_dict())
    train(hybrid, PLENTY)
    changed = different(before, clone(hybrid.state_dict()))
    assert changed
    assert all(name.startswith("decoder.") for name in changed)
