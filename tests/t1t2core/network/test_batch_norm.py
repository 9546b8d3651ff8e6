"""Batch norm and ReLU in compiled loops are what torch's own are."""

import pytest
import torch
from torch import Tensor, nn

from t1t2core.network.batch_norm import rectified
from t1t2core.training.shared_norm import CpuNorm
from tests.builders.feature_maps import draw

pytestmark = pytest.mark.usefixtures("one_thread")
CLOSE = {torch.float32: 1e-5, torch.bfloat16: 1e-2}


def make(channels: int = 8, kind: type[nn.BatchNorm3d] = nn.BatchNorm3d) -> nn.BatchNorm3d:
    norm = kind(channels)
    with torch.no_grad():
        norm.weight.copy_(torch.linspace(0.5, 2, channels))
        norm.bias.copy_(torch.linspace(-1, 3, channels))
    return norm


def run(norm: nn.BatchNorm3d, batches: list[Tensor], *, by_torch: bool = False) -> dict[str, Tensor]:
    """Of the last batch the values and gradients; and what is stored."""
    for batch in batches:
        norm.zero_grad()
        x = batch.detach().requires_grad_()
        y = norm(x).relu() if by_torch else rectified(norm, x)
        y.backward(torch.linspace(-1, 2, y.numel()).reshape(y.shape).to(y.dtype))
    assert x.grad is not None
    found = {"y": y.detach(), "x.grad": x.grad}
    found |= {f"{name}.grad": p.grad for name, p in norm.named_parameters() if p.grad is not None}
    return found | {name: tensor.clone() for name, tensor in norm.state_dict().items()}


def is_compiled(norm: nn.BatchNorm3d, x: Tensor) -> bool:
    function = rectified(norm, x.requires_grad_()).grad_fn
    return function is not None and "Rectified" in function.name()


@pytest.mark.parametrize("dtype", CLOSE)
@pytest.mark.parametrize("channels", [8, 32])
@pytest.mark.parametrize("momentum", [0.1, 0.5, None])
def test_values_gradients_and_statistics_are_torchs_own(
    channels: int, momentum: float | None, dtype: torch.dtype
):
    ours, theirs = make(channels), make(channels).double()
    ours.momentum = theirs.momentum = momentum
    batches = [draw(channels, dtype=dtype, seed=seed) for seed in range(3)]
    assert is_compiled(make(channels), draw(channels, dtype=dtype))
    found = run(ours, batches)
    expected = run(theirs, [batch.double() for batch in batches], by_torch=True)
    assert found.keys() == expected.keys()
    assert found["y"].dtype == dtype
    for name, value in expected.items():
        close = (CLOSE[dtype] if name in ("y", "x.grad") else 1e-4) * float(value.abs().max())
        torch.testing.assert_close(found[name].double(), value.double(), rtol=CLOSE[dtype], atol=close)


@pytest.mark.parametrize("dtype", CLOSE)
def test_in_evaluation_mode_it_goes_by_what_is_stored(dtype: torch.dtype):
    norm = make()
    run(norm, [draw(dtype=dtype, seed=seed) for seed in range(3)])
    norm.eval()
    x, stored = draw(dtype=dtype), {name: value.clone() for name, value in norm.state_dict().items()}
    with torch.no_grad():
        torch.testing.assert_close(
            rectified(norm, x).float(), norm(x.float()).relu(), rtol=CLOSE[dtype], atol=CLOSE[dtype]
        )
    assert all(torch.equal(value, stored[name]) for name, value in norm.state_dict().items())
    # With gradients, which nothing trained needs, it is torch's.
    assert not is_compiled(norm, x)


def test_a_batch_that_is_not_finite_stays_so_and_leaves_nothing_behind():
    """A network that diverges is seen to, and is followed by another one in the same process."""
    fresh = run(make(), [draw()])
    assert run(make(), [draw() * float("nan")])["y"].isnan().all()
    assert all(torch.equal(value, fresh[name]) for name, value in run(make(), [draw()]).items())


def test_what_does_not_suit_and_the_norms_of_a_team_are_left_alone():
    small = draw(grid=(4, 4, 4))
    assert not is_compiled(make(), small)
    found, expected = run(make(), [small]), run(make(), [small], by_torch=True)
    assert all(torch.equal(found[name], value) for name, value in expected.items())
    assert not is_compiled(make(kind=CpuNorm).eval(), draw())
