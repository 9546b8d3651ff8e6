"""Each normalisation is PyTorch's own, and what instance and group norm make of a patch is its own affair."""

import pytest
import torch
from torch import nn

from t1t2core.network.normalisation import groups_of, make_norm

PATCHES = torch.randn((3, 8, 6, 4, 2), generator=torch.Generator().manual_seed(0)) * 2 + 1


def test_batch_norm_is_torch_s():
    assert type(make_norm(8, "batch")) is nn.BatchNorm3d


def test_instance_norm_is_torch_s_with_a_scale_and_a_shift_and_no_statistics():
    ours, torch_s = make_norm(8, "instance"), nn.InstanceNorm3d(8, affine=True)
    for norm in (ours, torch_s):
        nn.init.constant_(norm.weight, 2.0)
        nn.init.constant_(norm.bias, -1.0)
    assert ours.state_dict().keys() == torch_s.state_dict().keys() == {"weight", "bias"}
    torch.testing.assert_close(ours(PATCHES), torch_s(PATCHES))


def test_group_norm_normalises_some_channels_together():
    two_a_group = PATCHES.unflatten(1, (4, 2))
    mean = two_a_group.mean((2, 3, 4, 5), keepdim=True)
    deviation = two_a_group.var((2, 3, 4, 5), keepdim=True, unbiased=False).add(1e-5).sqrt()
    expected = ((two_a_group - mean) / deviation).flatten(1, 2)
    torch.testing.assert_close(make_norm(8, "group")(PATCHES), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("channels", "groups"), [(1, 1), (2, 1), (3, 1), (4, 2), (8, 4), (12, 2), (16, 8), (32, 8), (128, 8)]
)
def test_there_are_8_groups_or_fewer_so_that_each_has_two_channels(channels: int, groups: int):
    assert groups_of(channels) == groups


@pytest.mark.parametrize("kind", ["instance", "group"])
def test_a_patch_comes_out_the_same_whatever_is_beside_it(kind: str):
    norm = make_norm(8, kind).train()  # type: ignore[arg-type]
    alone = torch.cat([norm(patch[None]) for patch in PATCHES])
    torch.testing.assert_close(norm(PATCHES), alone)
    torch.testing.assert_close(norm.eval()(PATCHES), alone)
    assert norm(PATCHES[:0]).shape == (0, 8, 6, 4, 2)


@pytest.mark.parametrize("kind", ["instance", "group"])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
def test_the_channels_come_out_last_in_memory_as_convolutions_take_them(
    kind: str, layout: torch.memory_format
):
    norm = make_norm(8, kind)  # type: ignore[arg-type]
    assert norm(PATCHES.to(memory_format=layout)).is_contiguous(memory_format=torch.channels_last_3d)
