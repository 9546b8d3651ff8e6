"""Attention against a case worked by hand."""

import math

import pytest
import torch
from torch import Tensor

from t1t2core.network import kernels
from t1t2core.network.attention import Attention, ChannelExcitation
from t1t2core.settings import NetworkSettings
from tests.builders.feature_maps import draw

FEATURES = torch.tensor([[0.0, 4.0], [2.0, -2.0]]).reshape(1, 2, 2, 1, 1)
"""Two channels (rows) at two voxels (columns); the channels' means are 2 and 0."""
VOXELS = FEATURES.reshape(1, 2, 2).mT
"""The same as the parts of attention see them."""
MEANS = VOXELS.mean(1, keepdim=True)
LN3 = math.log(3)
"""sigmoid(k ln 3) = 3^k / (1 + 3^k): 1/10, 1/4, 1/2, 3/4, 9/10 for k = -2 ... 2."""


def by_hand(order: str) -> Attention:
    """Hidden unit: sum of the means. Channel gates: sigmoid of ln 3 times it, and 1/2.

    Voxel gates: sigmoid of ln 3 times the second channel.
    """
    attention = Attention(2, NetworkSettings(attention_order=order, attention_reduction=2))  # type: ignore[arg-type]
    channel, spatial = attention.channel, attention.spatial
    with torch.no_grad():
        for layer in (channel.squeeze, channel.excite, spatial.squeeze):
            assert layer.bias is not None
            layer.bias.zero_()
        channel.squeeze.weight.copy_(torch.tensor([[1.0, 1.0]]))
        channel.excite.weight.copy_(torch.tensor([[LN3], [0.0]]))
        spatial.squeeze.weight.copy_(torch.tensor([0.0, LN3]).reshape(1, 2, 1, 1, 1))
    return attention


def rows(features: Tensor) -> list[list[float]]:
    return features.detach().reshape(2, 2).tolist()


def test_channel_excitation_weighs_channels():
    # The means sum to 2.
    gates = by_hand("channel_spatial").channel(MEANS)
    assert gates.flatten().tolist() == pytest.approx([9 / 10, 1 / 2])


def test_spatial_excitation_weighs_voxels():
    # The second channel is 2 and -2.
    spatial = by_hand("channel_spatial").spatial
    assert spatial(VOXELS).flatten().tolist() == pytest.approx([9 / 10, 1 / 10])
    halves = torch.full((1, 1, 2), 0.5)
    assert spatial(VOXELS, halves).flatten().tolist() == pytest.approx([3 / 4, 1 / 4])


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        # After the channels, [[0, 3.6], [1, -1]], the voxels' gates are 3/4 and 1/4.
        ("channel_spatial", [[0.0, 0.9], [0.75, -0.25]]),
        # After the voxels, [[0, 0.4], [1.8, -0.2]], the means sum to 1: channel gates 3/4 and 1/2.
        ("spatial_channel", [[0.0, 0.3], [0.9, -0.1]]),
        ("concurrent_max", [[0.0, 3.6], [1.8, -0.2]]),
        ("concurrent_add", [[0.0, 4.0], [2.8, -1.2]]),
    ],
)
def test_the_order_decides_how_they_are_combined(order: str, expected: list[list[float]]):
    assert rows(by_hand(order)(FEATURES)) == [pytest.approx(row, abs=1e-6) for row in expected]


def test_a_hidden_unit_below_0_is_off():
    # The means sum to -2, which ReLU makes 0.
    gates = by_hand("channel_spatial").channel(-MEANS)
    assert gates.flatten().tolist() == pytest.approx([1 / 2, 1 / 2])


@pytest.mark.parametrize(("channels", "reduction", "hidden"), [(8, 2, 4), (8, 8, 1), (2, 16, 1)])
def test_the_reduction_sets_the_hidden_units_and_leaves_one(channels: int, reduction: int, hidden: int):
    excitation = ChannelExcitation(channels, reduction)
    assert excitation.squeeze.weight.shape == (hidden, channels)
    assert excitation.excite.weight.shape == (channels, hidden)


@pytest.mark.parametrize("order", ["channel_spatial", "spatial_channel", "concurrent_max", "concurrent_add"])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
def test_patches_of_a_batch_do_not_mix_and_keep_their_layout(order: str, layout: torch.memory_format):
    torch.manual_seed(0)
    attention = Attention(4, NetworkSettings(attention_order=order))  # type: ignore[arg-type]
    noise = torch.randn((3, 4, 2, 2, 2)).to(memory_format=layout)
    alone = torch.cat([attention(patch[None]) for patch in noise])
    torch.testing.assert_close(attention(noise), alone)
    assert attention(noise).is_contiguous(memory_format=layout) or layout == torch.contiguous_format


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("channels", [8, 32])
def test_compiled_it_gives_the_same_values_and_gradients(channels: int, dtype: torch.dtype):
    torch.manual_seed(0)
    attention = Attention(channels, NetworkSettings())
    for parameter in attention.parameters():
        torch.nn.init.normal_(parameter, std=0.3)

    def run(x: Tensor) -> tuple[str, list[Tensor]]:
        """By what, the values, and the gradients."""
        y = attention(x.requires_grad_())
        pull = torch.linspace(-1, 2, y.numel()).reshape(y.shape).to(y)
        assert y.grad_fn is not None
        gradients = torch.autograd.grad(y, [x, *attention.parameters()], pull)
        return y.grad_fn.name(), [y.detach(), *gradients]

    x = draw(channels, (16, 16, 8), dtype)
    by, found = run(x)
    assert kernels.suits(x)
    assert "ChannelSpatial" in by
    by, expected = run(x.detach().float().contiguous())
    assert "ChannelSpatial" not in by
    for ours, theirs in zip(found, expected, strict=True):
        rounded = 1e-2 if ours.dtype == torch.bfloat16 else 1e-4
        torch.testing.assert_close(
            ours.float(), theirs, rtol=rounded, atol=rounded * float(theirs.abs().max())
        )


@pytest.mark.parametrize("order", ["spatial_channel", "concurrent_max", "concurrent_add"])
def test_other_orders_are_not_compiled(order: str):
    x = draw(8).requires_grad_()
    y = Attention(8, NetworkSettings(attention_order=order))(x)  # type: ignore[arg-type]
    assert y.grad_fn is not None
    assert "ChannelSpatial" not in y.grad_fn.name()
