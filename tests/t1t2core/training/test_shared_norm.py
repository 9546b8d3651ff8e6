"""Batch norm in two processes gives what it gives in one that has all patches."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from t1t2core.training.shared_norm import CpuNorm, GpuNorm, share_norms
from t1t2core.training.team import Team
from tests.builders.teams import Pair, start_pair

CHANNELS = 3


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with start_pair() as pair:
        yield pair


def make_norm() -> nn.Sequential:
    norm = nn.BatchNorm3d(CHANNELS)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([0.5, 2.0, -1.0]))
        norm.bias.copy_(torch.tensor([0.1, 0.0, 3.0]))
    return nn.Sequential(norm)


def draw(patches: int) -> Tensor:
    """Values far from 0, which a mean of squares less the square of the mean would blur."""
    generator = torch.Generator().manual_seed(patches)
    return 10 + torch.randn((patches, CHANNELS, 4, 3, 2), generator=generator)


def normalise(network: nn.Sequential, x: Tensor) -> dict[str, Tensor]:
    """The values after two steps, all gradients, and what is stored."""
    x = x.detach().requires_grad_()
    network(x)
    y = network(x)
    (y * torch.linspace(0, 1, y.shape[1:].numel()).reshape(y.shape[1:])).square().sum().backward()
    assert x.grad is not None
    found = {"y": y.detach(), "x.grad": x.grad}
    found |= {f"{name}.grad": p.grad for name, p in network.named_parameters() if p.grad is not None}
    return found | dict(network.state_dict())


def normalise_share(patches: int, dtype: torch.dtype) -> dict[str, Tensor]:
    team, network = Team.joined(), make_norm()
    share_norms(network, "cpu")
    assert isinstance(network[0], CpuNorm)
    return normalise(network, draw(patches)[team.rank :: team.size].to(dtype))


def put_together(shares: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """As of one process: values in order, gradients of the weights added up."""
    first, second = shares
    whole = dict(first)
    for name in ("y", "x.grad"):
        whole[name] = torch.empty((len(first[name]) + len(second[name]), *first[name].shape[1:]))
        whole[name][::2], whole[name][1::2] = first[name], second[name]
    for name in ("0.weight.grad", "0.bias.grad"):
        whole[name] = first[name] + second[name]
    return whole


@pytest.mark.parametrize("patches", [1, 2, 3])
def test_two_processes_give_what_one_gives(pair: Pair, patches: int) -> None:
    shares = pair.run(normalise_share, patches, torch.float32)
    torch.testing.assert_close(
        put_together(shares), normalise(make_norm(), draw(patches)), rtol=1e-4, atol=1e-4
    )


def test_what_is_stored_is_the_same_in_both(pair: Pair) -> None:
    first, second = pair.run(normalise_share, 3, torch.float32)
    for name in make_norm().state_dict():
        assert torch.equal(first[name], second[name])


def test_bfloat16_stays_bfloat16_and_its_statistics_are_float32(pair: Pair) -> None:
    shares = pair.run(normalise_share, 2, torch.bfloat16)
    whole = normalise(make_norm(), draw(2).to(torch.bfloat16))
    assert {share["y"].dtype for share in shares} == {whole["y"].dtype} == {torch.bfloat16}
    for name in ("0.running_mean", "0.running_var"):
        assert whole[name].dtype == shares[0][name].dtype == torch.float32
        torch.testing.assert_close(shares[0][name], whole[name], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("device", "kind"), [("cpu", CpuNorm), ("cuda", GpuNorm)])
def test_parameters_buffers_and_names_stay(device: str, kind: type) -> None:
    network = make_norm().eval()
    before = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    share_norms(network, device)
    assert isinstance(network[0], kind)
    assert isinstance(network[0], nn.BatchNorm3d)
    assert not network[0].training
    after = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    assert {name: id(tensor) for name, tensor in after.items()} == {n: id(t) for n, t in before.items()}


def test_in_evaluation_it_is_the_usual_one() -> None:
    network, usual, x = make_norm().eval(), make_norm().eval(), draw(2)
    share_norms(network, "cpu")
    assert torch.equal(network(x), usual(x))
