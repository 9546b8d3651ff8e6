"""Pooling and unpooling are torch's own, whether compiled or not, and remember in an eighth of the memory."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from t1t2core.network import kernels
from t1t2core.network.pooling import max_pool, max_unpool
from tests.builders.feature_maps import draw

pytestmark = pytest.mark.usefixtures("one_thread")
VOLUMES = {
    "compiled": draw(8, (16, 16, 8)),
    "compiled, bfloat16": draw(8, (16, 16, 8), torch.bfloat16),
    "torch's": draw(4, (4, 20, 30)),  # more than 256 voxels a layer: a place fits in uint8, an index does not
    "torch's, channels first": draw(8, (16, 16, 32)).contiguous(),
}


@pytest.fixture(params=VOLUMES)
def volume(request: pytest.FixtureRequest, one_thread: None) -> Tensor:
    x = VOLUMES[request.param]
    assert kernels.suits(x) == request.param.startswith("compiled")
    return x.clone().requires_grad_()


def test_pooling_and_its_gradient_are_torchs(volume: Tensor):
    expected, index = functional.max_pool3d(volume, 2, return_indices=True)
    pull = torch.randn_like(expected)
    (gradient,) = torch.autograd.grad(expected, volume, pull)
    found, places = max_pool(volume)
    assert torch.equal(found, expected)
    assert torch.equal(torch.autograd.grad(found, volume, pull)[0], gradient)
    assert places.dtype == torch.uint8
    assert 8 * places.nbytes == index.nbytes


def test_unpooling_puts_values_back_and_so_does_its_gradient(volume: Tensor):
    expected, index = functional.max_pool3d(volume, 2, return_indices=True)
    _, places = max_pool(volume)
    small = torch.randn_like(expected.detach()).requires_grad_()
    wanted = functional.max_unpool3d(small, index, [2, 2, 2])
    found = max_unpool(small, places)
    assert torch.equal(found, wanted)
    pull = torch.randn_like(wanted)
    (gradient,) = torch.autograd.grad(found, small, pull)
    assert torch.equal(gradient, torch.autograd.grad(wanted, small, pull)[0])
    assert found.is_contiguous(memory_format=torch.channels_last_3d)


@pytest.mark.parametrize("value", [0.0, float("nan"), -float("inf")])
def test_of_equal_values_the_first_counts_and_nan_is_not_lost(value: float):
    x = torch.zeros(VOLUMES["compiled"].shape).to(memory_format=torch.channels_last_3d)
    x[0, 3, 5, 4, 2] = value
    assert kernels.suits(x)
    expected, _ = functional.max_pool3d(x, 2, return_indices=True)
    found, places = max_pool(x)
    torch.testing.assert_close(found, expected, equal_nan=True, rtol=0, atol=0)
    assert torch.equal(places, max_pool(x.contiguous())[1])
