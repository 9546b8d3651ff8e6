"""By rows of many voxels batch norm is what torch's own is."""

import pytest
import torch
from torch import Tensor, nn

from t1t2core.network.batch_norm import MANY_NUMBERS, BatchNorm

GRID = (32, 32, 16)
CHANNELS = 8


def draw(channels: int = CHANNELS, grid: tuple[int, int, int] = GRID, seed: int = 0) -> Tensor:
    """Channels far from 0 and from each other, and no two batches alike."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn((2, channels, *grid), generator=generator)
    centres = torch.linspace(-5, 5, channels)[:, None, None, None] + seed
    return (centres + 3 * noise).to(torch.bfloat16, memory_format=torch.channels_last_3d)


def make(kind: type[nn.BatchNorm3d], channels: int = CHANNELS) -> nn.BatchNorm3d:
    norm = kind(channels)
    with torch.no_grad():
        norm.weight.copy_(torch.linspace(0.5, 2, channels))
        norm.bias.copy_(torch.linspace(-1, 3, channels))
    return norm


def run(norm: nn.BatchNorm3d, batches: list[Tensor]) -> dict[str, Tensor]:
    """Of the last batch the values and gradients, after a ReLU in place; and what is stored."""
    for batch in batches:
        norm.zero_grad()
        x = batch.detach().requires_grad_()
        y = torch.relu_(norm(x))
        y.backward(torch.linspace(-1, 2, y.numel()).reshape(y.shape).to(y.dtype))
    assert x.grad is not None
    found = {"y": y.detach(), "x.grad": x.grad}
    found |= {f"{name}.grad": p.grad for name, p in norm.named_parameters() if p.grad is not None}
    return found | {name: tensor.clone() for name, tensor in norm.state_dict().items()}


def in_rows(norm: nn.BatchNorm3d, x: Tensor) -> bool:
    function = norm(x).grad_fn
    return function is not None and "_Normalise" in function.name()


@pytest.mark.parametrize("momentum", [0.1, 0.5, None])
@pytest.mark.parametrize("training", [True, False])
def test_values_gradients_and_statistics_are_torchs_own(momentum: float | None, training: bool) -> None:
    ours, theirs = make(BatchNorm), make(nn.BatchNorm3d)
    batches = [draw(seed=seed) for seed in range(3)]
    assert in_rows(make(BatchNorm), batches[0])
    for norm in (ours, theirs):
        norm.momentum = momentum
        run(norm, batches)
        norm.train(training)
    found = run(ours, batches)
    expected = run(theirs, [batch.float() for batch in batches])
    assert found.keys() == expected.keys()
    assert found["y"].dtype == torch.bfloat16
    for name, value in expected.items():
        rounded = name in ("y", "x.grad")
        close = (
            {"rtol": 0.01, "atol": 0.01 * float(value.abs().max())}
            if rounded
            else {"rtol": 1e-3, "atol": 1e-3}
        )
        torch.testing.assert_close(found[name].to(value.dtype), value, **close)


def test_a_batch_that_is_not_finite_leaves_nothing_behind() -> None:
    """A network that diverges is followed by another one in the same process."""
    fresh = run(make(BatchNorm), [draw()])
    run(make(BatchNorm), [draw() * float("inf")])
    assert all(torch.equal(value, fresh[name]) for name, value in run(make(BatchNorm), [draw()]).items())


def test_what_is_small_or_not_in_bfloat16_or_channels_first_is_torchs_own() -> None:
    small = draw(grid=(8, 8, 8))
    assert small.numel() < MANY_NUMBERS
    for x in (small, draw().float(), draw().contiguous(), draw(channels=16)):
        assert not in_rows(make(BatchNorm, x.shape[1]), x)
        found, expected = (run(make(kind, x.shape[1]), [x]) for kind in (BatchNorm, nn.BatchNorm3d))
        assert all(torch.equal(found[name], value) for name, value in expected.items())
