"""The network has the study's layers, starts as the study says, and freezes what it is told to."""

import math
from collections import Counter
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from t1t2core.network import kernels
from t1t2core.network.architectures import stages_before
from t1t2core.network.attention import Attention
from t1t2core.network.block import Block
from t1t2core.network.segmenter import Segmenter
from t1t2core.network.stage import DecoderStage, EncoderStage, Features
from t1t2core.settings import NetworkSettings
from tests.benchmarks.plain_network import PlainNetwork
from tests.builders.heads import TINY

IMAGE = torch.randn((2, 1, 16, 24, 32), generator=torch.Generator().manual_seed(0))
TUNED = [3, 6, 9, 12, 15, 18]


@pytest.fixture
def segmenter() -> Segmenter:
    return Segmenter(TINY, seed=0)


def convolutions(segmenter: Segmenter) -> list[nn.Conv3d]:
    """The 3 x 3 x 3 convolutions in the order of the data."""
    return [m for m in segmenter.modules() if isinstance(m, nn.Conv3d) and m.kernel_size == (3, 3, 3)]


class Operations(TorchDispatchMode):
    """Counts what torch is asked to compute."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.counts[func.overloadpacket.__name__] += 1
        return func(*args, **(kwargs or {}))


def test_three_convolutions_then_attention_seven_times(segmenter: Segmenter):
    parts = [*segmenter.modules()]
    attention = [part for part in parts if isinstance(part, Attention)]
    letters: dict[nn.Module, str] = {}
    letters.update(dict.fromkeys(convolutions(segmenter), "C"))
    letters.update(dict.fromkeys(attention, "A"))
    row = "".join(letters.get(part, "") for part in parts)
    assert row == "CCCA" * 7
    assert len(convolutions(segmenter)) == 21
    assert sum(isinstance(part, EncoderStage) for part in parts) == 3
    assert sum(isinstance(part, DecoderStage) for part in parts) == 3
    assert sum(isinstance(part, nn.BatchNorm3d) for part in parts) == 21


def test_what_is_computed_is_what_is_there(segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch):
    # What is compiled is no operation of torch's.
    monkeypatch.setattr(kernels, "suits", lambda _: False)
    with Operations() as operations, torch.no_grad():
        segmenter(IMAGE)
    # However each is computed; the classifier is a product of matrices.
    assert operations.counts["convolution"] + operations.counts["mkldnn_convolution"] == 21
    assert operations.counts["bmm"] == 7 * 3  # of each attention: the means, the voxels' and all weights
    assert operations.counts["max_pool3d_with_indices"] == 3
    assert operations.counts["max_unpool3d"] == 3


@pytest.mark.usefixtures("one_thread")
def test_it_computes_what_pytorchs_own_modules_do():
    """With the network that a reader of the study would write, which benchmarks measure against."""
    ours, plain = Segmenter(NetworkSettings(width=8), seed=0), PlainNetwork(8).double()
    plain.load_state_dict(ours.state_dict())
    found, expected = ours(IMAGE), plain(IMAGE.double())
    torch.testing.assert_close(
        found.double(), expected, rtol=1e-3, atol=1e-4 * float(expected.detach().abs().max())
    )
    found.square().mean().backward()
    expected.square().mean().backward()
    for (name, parameter), other in zip(ours.named_parameters(), plain.parameters(), strict=True):
        assert parameter.grad is not None
        assert other.grad is not None
        # Where two values of a window are nearly equal, rounding decides which one is pulled.
        close = 2e-2 * float(other.grad.abs().max())
        torch.testing.assert_close(parameter.grad.double(), other.grad, rtol=0, atol=close, msg=name)
    for (name, statistic), other in zip(ours.named_buffers(), plain.buffers(), strict=True):
        torch.testing.assert_close(statistic, other.to(statistic.dtype), rtol=1e-3, atol=1e-4, msg=name)


def test_nearest_upsampling_takes_the_place_of_unpooling():
    with Operations() as operations, torch.no_grad():
        logits = Segmenter(NetworkSettings(width=4, unpooling="nearest"), seed=0)(IMAGE)
    assert operations.counts["max_unpool3d"] == 0
    assert operations.counts["upsample_nearest3d"] == 3
    assert logits.shape == (2, 3, 16, 24, 32)


def test_a_logit_for_each_class_at_each_voxel(segmenter: Segmenter):
    assert segmenter(IMAGE).shape == (2, 3, 16, 24, 32)


def test_the_bottleneck_is_an_eighth_of_the_grid_and_four_times_as_wide(segmenter: Segmenter):
    features = segmenter.encoder(Features(IMAGE))
    assert features.values.shape == (2, 4 * TINY.width, 2, 3, 4)
    assert [tuple(index.shape[2:]) for index in features.indices] == [(8, 12, 16), (4, 6, 8), (2, 3, 4)]


def test_the_study_s_widths():
    widths = [c.out_channels for c in convolutions(Segmenter(NetworkSettings(), seed=0))]
    assert widths[:12] == [32] * 3 + [64] * 3 + [128] * 6
    assert widths[12:] == [128, 128, 64, 64, 64, 32, 32, 32, 32]


def test_unpooling_puts_values_back_where_the_maxima_were():
    pooling, unpooling = EncoderStage(1, 1, TINY), DecoderStage(1, 1, 1, TINY)
    pooling.block = unpooling.block = nn.Identity()  # type: ignore[assignment]
    image = torch.rand((1, 1, 4, 4, 4), generator=torch.Generator().manual_seed(3)) + 1
    back = unpooling(pooling(Features(image)))
    kept = back.values != 0
    assert kept.sum() == 8
    assert torch.equal(back.values[kept], image[kept])
    octants = image.reshape(2, 2, 2, 2, 2, 2).amax(dim=(1, 3, 5))
    assert torch.equal(back.values.reshape(2, 2, 2, 2, 2, 2).amax(dim=(1, 3, 5)), octants)
    assert back.indices == ()


def test_each_unpooling_uses_the_pooling_of_its_own_grid():
    stages: list[nn.Module] = [EncoderStage(1, 1, TINY) for _ in range(2)]
    stages += [DecoderStage(1, 1, 1, TINY) for _ in range(2)]
    features = Features(torch.zeros((1, 1, 4, 4, 4)))
    features.values[0, 0, 3, 1, 2] = 7.0
    for stage in stages:
        stage.block = nn.Identity()
        features = stage(features)
    assert features.values.nonzero().tolist() == [[0, 0, 3, 1, 2]]


def test_a_skip_connection_brings_what_the_pooling_took():
    settings = NetworkSettings(width=4, skip_connections="concatenation")
    stages: list[nn.Module] = [EncoderStage(1, 1, settings) for _ in range(2)]
    for stage in stages:
        stage.block = nn.Identity()
    features = Features(torch.arange(64.0).reshape(1, 1, 4, 4, 4))
    for stage in stages:
        features = stage(features)
    assert features.values.flatten().tolist() == [63]
    last = DecoderStage(1, 1, 1, settings)
    last.block = nn.Identity()  # type: ignore[assignment]
    back = last(features)
    assert back.values[0, 0, 1, 1, 1] == 63  # unpooled
    assert back.values[0, 1].flatten().tolist() == [
        21,
        23,
        29,
        31,
        53,
        55,
        61,
        63,
    ]  # as it entered the pooling
    assert [tuple(skip.shape[2:]) for skip in back.skips] == [(4, 4, 4)]


def test_skip_connections_widen_the_first_convolution_of_each_decoder_block():
    settings = NetworkSettings(width=4, skip_connections="concatenation")
    segmenter = Segmenter(settings, seed=0)
    assert [c.out_channels for c in convolutions(segmenter)] == [
        c.out_channels for c in convolutions(Segmenter(TINY, seed=0))
    ]
    assert [c.in_channels for c in convolutions(segmenter)[12:]] == [32, 16, 16, 16, 8, 8, 8, 4, 4]
    assert segmenter(IMAGE).shape == (2, 3, 16, 24, 32)


def test_glorot_uniform_kernels_and_zero_biases(segmenter: Segmenter):
    for part in segmenter.modules():
        if isinstance(part, nn.Conv3d | nn.Linear):
            taps = math.prod(part.weight.shape[2:])
            bound = math.sqrt(6 / (taps * (part.weight.shape[0] + part.weight.shape[1])))
            assert part.weight.abs().max() <= bound
            if part.weight.numel() > 400:
                assert part.weight.abs().max() > 0.98 * bound
                assert part.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.1)
            assert part.bias is None or not part.bias.any()


def test_the_seed_decides_the_start():
    one, same, other = (Segmenter(TINY, seed=seed) for seed in (1, 1, 2))
    pairs = [*zip(convolutions(one), convolutions(same), convolutions(other), strict=True)]
    assert all(torch.equal(a.weight, b.weight) for a, b, _ in pairs)
    assert not any(torch.equal(a.weight, c.weight) for a, _, c in pairs)


@pytest.mark.parametrize("tuned", TUNED)
def test_the_last_convolutions_and_the_classifier_are_trained(segmenter: Segmenter, tuned: int):
    segmenter.freeze(stages_before(tuned))
    trained = [c.weight.requires_grad for c in convolutions(segmenter)]
    assert trained == [False] * (21 - tuned) + [True] * tuned
    assert all(p.requires_grad for p in segmenter.stages[-1].parameters())


@pytest.mark.parametrize("tuned", [0, *TUNED, 21])
def test_batch_norm_and_attention_go_with_their_convolutions(segmenter: Segmenter, tuned: int):
    segmenter.freeze(stages_before(tuned))
    blocks = [part for part in segmenter.modules() if isinstance(part, Block)]
    expected = [number >= 7 - tuned // 3 for number in range(7)]
    for block, is_trained in zip(blocks, expected, strict=True):
        assert {p.requires_grad for p in block.parameters()} == {is_trained}


def test_fc_is_the_classifier_alone(segmenter: Segmenter):
    segmenter.freeze(stages_before(0))
    trained = {name for name, p in segmenter.named_parameters() if p.requires_grad}
    assert trained == {"decoder.stages.3.layer.weight", "decoder.stages.3.layer.bias"}
    assert segmenter.trained_state().keys() == trained


@pytest.mark.parametrize("tuned", [0, 3, 9, 18, 21])
def test_trained_and_frozen_part_in_turn_are_the_whole(segmenter: Segmenter, tuned: int):
    segmenter.eval()
    whole = segmenter(IMAGE)
    segmenter.freeze(stages_before(tuned))
    entering = segmenter.run_frozen(IMAGE)
    assert not entering.values.requires_grad
    torch.testing.assert_close(segmenter.run_trained(entering), whole)


def test_the_trained_state_has_the_batch_norm_statistics_too(segmenter: Segmenter):
    segmenter.freeze(stages_before(3))
    names = segmenter.trained_state().keys()
    assert "decoder.stages.2.block.convolutions.1.running_mean" in names
    assert all(name.startswith(("decoder.stages.2.", "decoder.stages.3.")) for name in names)


def test_class_shares_are_the_first_guess_whatever_the_image(segmenter: Segmenter):
    shares = torch.tensor([0.6, 0.35, 0.05])
    segmenter.set_class_shares(shares)
    classifier = segmenter.stages[-1]
    guess = classifier(Features(torch.zeros((1, TINY.width, 2, 2, 2)))).values.softmax(dim=1)
    torch.testing.assert_close(guess[0, :, 0, 0, 0], shares)
