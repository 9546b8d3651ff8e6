"""The small parts of the compiled loops, and which volumes they are used for; what they add up to is tested
where they are used."""

import numpy as np
import pytest
import torch
from numba import njit
from torch import Tensor

from t1t2core.network import kernels
from tests.builders.feature_maps import draw

pytestmark = pytest.mark.usefixtures("one_thread")


@njit  # type: ignore[untyped-decorator]
def exponentials(x: np.ndarray) -> np.ndarray:
    found = np.empty_like(x)
    for n in range(len(x)):
        found[n] = kernels._exp(x[n])
    return found


@njit  # type: ignore[untyped-decorator]
def copy(x: np.ndarray, y: np.ndarray) -> None:
    for n in range(len(x)):
        y[n] = kernels._as(y, kernels._read(x[n]))


def test_the_exponential_and_the_logarithm_are_numpys():
    x = np.linspace(-80, 80, 10_001, dtype=np.float32)
    np.testing.assert_allclose(exponentials(x), np.exp(x.astype(np.float64)), rtol=3e-7)
    for number in np.linspace(1, 3, 101, dtype=np.float32):
        assert kernels._log(number) == pytest.approx(np.log(float(number)), abs=2e-7)


def test_numbers_are_rounded_to_bfloat16_and_back_as_torch_does():
    special = [0.0, -0.0, 1 + 2**-8, 1 + 3 * 2**-8, 3.4e38, float("inf"), -float("inf"), float("nan"), 1e-40]
    noise = torch.randn(10_000, generator=torch.Generator().manual_seed(0)) * 10
    numbers = torch.cat([torch.tensor(special), noise])
    narrow, wide = torch.empty(len(numbers), dtype=torch.bfloat16), torch.empty(len(numbers))
    copy(kernels.numbers(numbers), kernels.numbers(narrow))
    torch.testing.assert_close(narrow, numbers.bfloat16(), rtol=0, atol=0, equal_nan=True)
    copy(kernels.numbers(narrow), kernels.numbers(wide))
    torch.testing.assert_close(wide, narrow.float(), rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize(
    "x",
    [
        draw(channels=8, grid=(8, 8, 4)),  # few numbers
        draw(channels=4, grid=(32, 32, 16)),  # few channels
        draw(channels=24, grid=(32, 32, 16)),  # a row would end within a voxel
        draw(channels=16, grid=(13, 11, 7)),  # a patch would end within a row
        draw(channels=8, grid=(32, 32, 16)).contiguous(),  # the channels first
        draw(channels=8, grid=(32, 32, 16)).double(),
        draw(channels=8, grid=(32, 32, 16)).to("meta"),
    ],
)
def test_what_does_not_suit_is_left_to_torch(x: Tensor):
    assert not kernels.suits(x)


def test_with_many_threads_all_is_left_to_torch_which_uses_them():
    x = draw()
    assert kernels.suits(x)
    torch.set_num_threads(kernels.MOST_THREADS + 1)
    assert not kernels.suits(x)
    assert not kernels.suits_classes(torch.zeros((2, 3, 32, 32, 16)).to(memory_format=torch.channels_last_3d))


@pytest.mark.parametrize("channels", [8, 16, 32])
def test_what_suits_is_taken_as_it_lies(channels: int):
    x = draw(channels=channels)
    assert kernels.suits(x)
    rows = kernels.rows(x)
    assert rows.shape == (2, x[0].numel() // kernels.WIDTH, kernels.WIDTH)
    rows[1, 0, channels + 1] = 7
    assert x[1, 1, 0, 0, 1] == 7
