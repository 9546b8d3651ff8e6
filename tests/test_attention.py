"""Attention against a case worked by hand."""

import math

import pytest
import torch
from torch import Tensor

from t1t2core.network.attention import Attention, ChannelExcitation, SpatialExcitation
from t1t2core.settings import NetworkSettings

FEATURES = torch.tensor([[0.0, 4.0], [2.0, -2.0]]).reshape(1, 2, 2, 1, 1)
"""Two channels (rows) at two voxels (columns); the channels' means are 2 and 0."""
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


def test_channel_excitation_weighs_whole_channels():
    # The means sum to 2: gates 9/10 and 1/2.
    weighed = rows(by_hand("channel_spatial").channel(FEATURES))
    assert weighed == [pytest.approx([0.0, 3.6]), pytest.approx([1.0, -1.0])]


def test_spatial_excitation_weighs_whole_voxels():
    # The second channel is 2 and -2: gates 9/10 and 1/10.
    weighed = rows(by_hand("channel_spatial").spatial(FEATURES))
    assert weighed == [pytest.approx([0.0, 0.4]), pytest.approx([1.8, -0.2])]


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
    # The means sum to -2, which ReLU makes 0: both gates are 1/2.
    halved = rows(by_hand("channel_spatial").channel(-FEATURES))
    assert halved == [pytest.approx([0.0, -2.0]), pytest.approx([-1.0, 1.0])]


@pytest.mark.parametrize(("channels", "reduction", "hidden"), [(8, 2, 4), (8, 8, 1), (2, 16, 1)])
def test_the_reduction_sets_the_hidden_units_and_leaves_one(channels: int, reduction: int, hidden: int):
    excitation = ChannelExcitation(channels, reduction)
    assert excitation.squeeze.weight.shape == (hidden, channels)
    assert excitation.excite.weight.shape == (channels, hidden)


def test_patches_of_a_batch_do_not_mix():
    noise = torch.randn((3, 4, 2, 2, 2), generator=torch.Generator().manual_seed(0))
    for excitation in (ChannelExcitation(4, 2), SpatialExcitation(4)):
        alone = torch.cat([excitation(patch[None]) for patch in noise])
        torch.testing.assert_close(excitation(noise), alone)
