"""One learning rate, or one for each stage that falls from the output to the input."""

import pytest
import torch

from t1t2core.network.architectures import stages_before
from t1t2core.network.hybrid import HybridSegmenter
from t1t2core.network.segmenter import Segmenter
from t1t2core.training.fit import Fit
from t1t2core.training.optimiser import make_optimiser, parameters_of
from tests.builders.heads import TINY, clone, different, make_fit, make_scan, make_training, pretrained_state

RATE = 1e-2


def rates(network: Segmenter, **settings: object) -> list[set[float]]:
    """Of each stage, in the order of the data."""
    optimiser = make_optimiser(network, make_training(**settings), RATE)
    of = {id(parameter): group["lr"] for group in optimiser.param_groups for parameter in group["params"]}
    return [{of[id(p)] for p in stage.parameters() if id(p) in of} for stage in network.stages]


def test_by_default_all_stages_have_one_rate() -> None:
    assert rates(Segmenter(TINY, seed=0)) == [{RATE}] * 8


def test_each_stage_has_a_share_of_the_rate_of_the_next() -> None:
    assert rates(Segmenter(TINY, seed=0), layer_decay=0.5) == [{RATE * 0.5**n} for n in reversed(range(8))]


def test_frozen_stages_have_none() -> None:
    network = Segmenter(TINY, seed=0)
    network.freeze(stages_before(6))
    assert rates(network, layer_decay=0.5) == [set()] * 5 + [{RATE / 4}, {RATE / 2}, {RATE}]


def test_all_that_is_trained_has_a_rate_and_kernels_alone_decay() -> None:
    hybrid = HybridSegmenter(TINY, "average", seed=0)
    hybrid.load_pretrained(Segmenter(TINY, seed=0).state_dict())
    for share in (1.0, 0.5):
        optimiser = make_optimiser(hybrid, make_training(layer_decay=share), RATE)
        trained = [p for p in hybrid.parameters() if p.requires_grad]
        assert {id(p) for p in parameters_of(optimiser)} == {id(p) for p in trained}
        decaying = {p.dim() for g in optimiser.param_groups if g["weight_decay"] for p in g["params"]}
        assert decaying == {5}


@pytest.mark.parametrize("schedule", ["one_cycle", "plateau"])
def test_the_rates_keep_their_proportions_and_a_resumed_training_has_them(schedule: str) -> None:
    scans = [make_scan(1, "T2"), make_scan(2, "T2")]
    settings = make_training(
        max_epochs=6,
        schedule=schedule,
        layer_decay=0.5,
        plateau_patience=1,
        min_delta=10.0,
        gradient_clip=1.0,
    )

    def start() -> Fit:
        network = Segmenter(TINY, seed=0)
        network.load_pretrained(pretrained_state())
        return make_fit(network, scans, settings)

    through, first, second = start(), start(), start()
    for _ in range(2):
        through.run_epoch()
        through.judge(0.5)
        first.run_epoch()
        first.judge(0.5)
    second.restore(first.state())
    for fit in (through, second):
        fit.run_epoch()
    assert different(through.network.state_dict(), second.network.state_dict()) == set()
    groups = through.optimiser.param_groups
    assert groups[0]["lr"] != pytest.approx(RATE), "the schedule has moved them"
    shares = sorted({round(group["lr"] / groups[0]["lr"], 6) for group in groups}, reverse=True)
    assert shares == [round(0.5**n, 6) for n in range(8)]


def test_a_small_share_leaves_the_input_nearly_as_it_was() -> None:
    pretrained = pretrained_state()
    moved = []
    for share in (1.0, 0.1):
        network = Segmenter(TINY, seed=0)
        network.load_pretrained(clone(pretrained))
        fit = make_fit(network, [make_scan(1, "T2"), make_scan(2, "T2")], make_training(layer_decay=share))
        fit.run_epoch()
        name = "encoder.stages.0.block.convolutions.0.weight"
        moved.append(float(torch.dist(network.state_dict()[name], pretrained[name])))
    assert 0 < moved[1] < moved[0] / 100
