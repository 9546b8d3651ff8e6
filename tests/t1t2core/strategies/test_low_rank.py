"""Low-rank additions: the pretrained network stays, little is trained, and little is stored."""

import pytest
import torch
from torch import Tensor, nn

from t1t2core.network.base import Network
from t1t2core.network.low_rank import LowRank
from t1t2core.network.segmenter import Segmenter
from t1t2core.network.staged import STATISTICS
from t1t2core.network.weights import pack_weights
from t1t2core.presets import PRESETS, PresetName
from t1t2core.settings import NetworkSettings
from t1t2core.strategies import STRATEGIES, Factors
from tests.builders.heads import TINY, clone, different, make_fit, make_scan, make_training, pretrained_state

ORIGINAL = "parametrizations.weight.original"
IMAGE = torch.from_numpy(make_scan(1, "T2").image)[None, None]


@pytest.fixture(scope="module")
def pretrained() -> dict[str, Tensor]:
    return pretrained_state()


def build(pretrained: dict[str, Tensor], network: NetworkSettings = TINY, seed: int = 0) -> Network:
    return STRATEGIES["low_rank"].build(
        Factors(strategy="low_rank", seed=seed), network, pretrained=clone(pretrained)
    )


def kernels(network: Network) -> dict[str, Tensor]:
    """Its tensors that the pretrained network has, too, by the names that they have there."""
    found = {
        name.removeprefix("network.").replace(ORIGINAL, "weight"): tensor
        for name, tensor in network.state_dict().items()
    }
    return {name: tensor for name, tensor in found.items() if "parametrizations" not in name}


def test_it_starts_as_the_t1_network(pretrained: dict[str, Tensor]) -> None:
    plain = Segmenter(TINY, seed=0)
    plain.load_pretrained(pretrained)
    with torch.no_grad():
        assert torch.equal(build(pretrained).eval()(IMAGE), plain.eval()(IMAGE))


def test_training_leaves_every_weight_of_the_t1_network_but_the_classifiers(
    pretrained: dict[str, Tensor],
) -> None:
    network = build(pretrained)
    before = clone(network.state_dict())
    fit = make_fit(network, [make_scan(1, "T2"), make_scan(2, "T2")], make_training())
    for _ in range(3):
        fit.run_epoch()
    changed = different(kernels(network), pretrained)
    expected = {
        name for name in pretrained if name.endswith(STATISTICS) or name.startswith("decoder.stages.3.")
    }
    assert changed == expected
    trained = fit.network.trained_state()
    assert different(network.state_dict(), before) == trained.keys(), "what is stored is what changed"
    again = build(pretrained)
    again.load_state_dict(trained, strict=False)
    with torch.no_grad():
        assert torch.equal(again.eval()(IMAGE), network.eval()(IMAGE))


@pytest.mark.parametrize("preset", ["demo", "paper"])
def test_it_stores_less_than_a_twentieth_of_what_open_stores(preset: PresetName) -> None:
    settings = PRESETS[preset].network
    state = Segmenter(settings, seed=0).state_dict()
    sizes = {}
    for name in ("low_rank", "open"):
        network = STRATEGIES[name].build(Factors(strategy=name), settings, pretrained=state)  # type: ignore[arg-type, index]
        sizes[name] = len(pack_weights(network.trained_state()))
    assert sizes["low_rank"] < 0.05 * sizes["open"]


def test_a_higher_rank_adds_more(pretrained: dict[str, Tensor]) -> None:
    def trained(rank: int) -> int:
        network = build(pretrained, NetworkSettings(width=4, lora_rank=rank))
        return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)

    assert trained(1) < trained(2) < trained(3)


def test_the_seed_draws_where_the_additions_start(pretrained: dict[str, Tensor]) -> None:
    starts = [build(pretrained, seed=seed).state_dict() for seed in (0, 0, 1)]
    assert different(starts[0], starts[1]) == set()
    assert {name.rpartition(".")[2] for name in different(starts[0], starts[2])} == {"within"}


@pytest.mark.parametrize("shape", [(5, 4, 3, 3, 3), (6, 4)])
def test_what_is_added_to_a_kernel_has_the_rank_that_was_asked_for(shape: tuple[int, ...]) -> None:
    kernel = torch.zeros(shape)
    addition = LowRank(kernel, 2, torch.Generator().manual_seed(0))
    nn.init.normal_(addition.across)
    added = addition(kernel)
    assert added.shape == shape
    rows = added.movedim(-1, 1).flatten(0, 1).flatten(1) if len(shape) == 5 else added
    assert torch.linalg.matrix_rank(rows) == 2
    assert addition.numbers == sum(parameter.numel() for parameter in addition.parameters()) < kernel.numel()
