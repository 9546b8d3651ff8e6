"""However a convolution is computed, it is what torch's own is."""

import copy

import pytest
import torch
from torch import Tensor, nn

from t1t2core.network.convolution import Classifier, Convolution, use_onednn
from t1t2core.training.compute import device_here

GRID = (24, 6, 4)
WIDE = torch.backends.cpu.get_cpu_capability() == "AVX512"
"""Whether a vector of this processor holds 16 numbers of float32."""


needs_bfloat16 = pytest.mark.skipif(
    not device_here(kind="cpu").bfloat16,
    reason="this processor does not compute in bfloat16: torch takes another way, and no trial does",
)


def draw(channels: int, grid: tuple[int, int, int], dtype: torch.dtype = torch.bfloat16) -> Tensor:
    generator = torch.Generator().manual_seed(channels)
    noise = torch.randn((2, channels, *grid), generator=generator)
    return noise.to(dtype, memory_format=torch.channels_last_3d)


def make(channels_in: int, channels_out: int) -> Convolution:
    torch.manual_seed(0)
    return Convolution(channels_in, channels_out).to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]


def run(layer: nn.Conv3d, x: Tensor) -> dict[str, Tensor]:
    """The values, and the gradients of a sum of them with unequal weights."""
    layer.zero_grad()
    x = x.detach().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=x.dtype == torch.bfloat16):
        y = layer(x)
    y.backward(torch.linspace(-1, 1, y.numel()).reshape(y.shape).to(y.dtype))
    assert x.grad is not None
    assert layer.weight.grad is not None
    return {"y": y.detach(), "x.grad": x.grad, "weight.grad": layer.weight.grad.clone()}


def in_pairs(layer: Convolution, x: Tensor) -> bool:
    with torch.autocast("cpu", torch.bfloat16, enabled=x.dtype == torch.bfloat16):
        function = layer(x).grad_fn
    return function is not None and "Paired" in function.name()


@needs_bfloat16
@pytest.mark.parametrize(("channels_in", "channels_out"), [(8, 8), (16, 8), (8, 4)])
@pytest.mark.parametrize("grid", [GRID, (12, 1, 2), (3, 5, 12)])
def test_values_and_gradients_are_torchs_own(
    channels_in: int, channels_out: int, grid: tuple[int, int, int]
) -> None:
    layer, x = make(channels_in, channels_out), draw(channels_in, grid)
    assert in_pairs(layer, x)
    # torch's in float32, with what bfloat16 makes of values, weights and what is pulled back.
    exact = nn.Conv3d(channels_in, channels_out, 3, padding=1, bias=False)
    exact.weight.data = layer.weight.detach().bfloat16().float()
    found, expected = run(layer, x), run(exact, x.float())
    assert found["y"].dtype == torch.bfloat16
    assert found["weight.grad"].dtype == torch.float32
    assert found["y"].is_contiguous(memory_format=torch.channels_last_3d)
    for name, value in expected.items():
        close = 0.01 * float(value.abs().max())
        torch.testing.assert_close(found[name].float(), value, rtol=0.02, atol=close)


def test_a_volume_with_the_channels_first_gives_the_same() -> None:
    layer, x = make(8, 8), draw(8, GRID)
    other = run(layer, x.contiguous())
    for name, value in run(layer, x).items():
        assert torch.equal(other[name], value)


def test_what_is_not_trained_gets_no_gradient() -> None:
    layer, x = make(8, 8).requires_grad_(False), draw(8, GRID)
    with torch.autocast("cpu", torch.bfloat16):
        assert not layer(x).requires_grad
        y = layer.requires_grad_()(x)
    y.sum().backward()
    assert layer.weight.grad is not None
    assert x.grad is None


@pytest.mark.parametrize(
    ("channels_in", "channels_out", "grid", "dtype"),
    [
        (8, 16, GRID, torch.bfloat16),  # 16 fill a vector
        (1, 8, GRID, torch.bfloat16),  # the first layer was slower in pairs
        (8, 8, (24, 6, 5), torch.bfloat16),  # one voxel would be left over
        (8, 16, GRID, torch.float32),
        pytest.param(8, 8, GRID, torch.float32, marks=pytest.mark.skipif(WIDE, reason="they pay here")),
    ],
)
def test_where_pairs_do_not_pay_it_is_torchs_own(
    channels_in: int, channels_out: int, grid: tuple[int, int, int], dtype: torch.dtype
) -> None:
    layer, x = make(channels_in, channels_out), draw(channels_in, grid, dtype)
    assert not in_pairs(layer, x)
    plain = nn.Conv3d(channels_in, channels_out, 3, padding=1, bias=False)
    plain.load_state_dict(layer.state_dict())
    for name, value in run(plain.to(memory_format=torch.channels_last_3d), x).items():  # type: ignore[call-overload]
        assert torch.equal(run(layer, x)[name], value)


@pytest.mark.skipif(not WIDE, reason="a vector of this processor holds 8 numbers")
@pytest.mark.parametrize("images", [1, 2])
def test_in_float32_pairs_are_torchs_own_too(images: int) -> None:
    layer, x = make(8, 8), draw(8, GRID, torch.float32)[:images]
    assert in_pairs(layer, x)
    plain = nn.Conv3d(8, 8, 3, padding=1, bias=False)
    plain.load_state_dict(layer.state_dict())
    found = run(layer, x)
    for name, value in run(plain, x).items():
        torch.testing.assert_close(found[name], value, rtol=1e-5, atol=1e-6 * float(value.abs().max()))


@pytest.mark.parametrize(("channels_in", "channels_out"), [(1, 8), (8, 8), (8, 16)])
def test_a_single_image_is_labelled_as_it_would_be_in_a_batch(channels_in: int, channels_out: int) -> None:
    layer, x = make(channels_in, channels_out), draw(channels_in, GRID, torch.float32)
    plain = nn.Conv3d(channels_in, channels_out, 3, padding=1, bias=False)
    plain.load_state_dict(layer.state_dict())
    with torch.no_grad():
        alone, batch = layer(x[:1]), layer(x)
        torch.testing.assert_close(alone, plain(x[:1]))
    assert torch.equal(alone, batch[:1])
    # torch's own convolution, which is slow, would give the channels first.
    assert alone.is_contiguous(memory_format=torch.channels_last_3d)


@pytest.mark.parametrize(
    ("layer", "grid"),
    [
        (nn.Conv3d(8, 8, 3, padding=1), (8, 6, 4)),
        (nn.Conv3d(8, 8, 3, padding=1, bias=False), (5, 6, 7)),  # the first side cannot be halved
        (nn.Conv3d(8, 16, 3, stride=2, padding=1), (8, 12, 4)),
        (nn.Conv3d(8, 16, 2, stride=2), (6, 8, 4)),
        (nn.Conv3d(1, 8, (3, 1, 5), padding=(1, 0, 2)), (8, 6, 4)),
        (nn.Conv3d(8, 8, 3, padding=1), (5, 3, 7)),  # no side can be
    ],
)
def test_any_convolution_of_a_single_image_is_torchs_own(
    layer: nn.Conv3d, grid: tuple[int, int, int]
) -> None:
    x = draw(layer.in_channels, grid, torch.float32)[:1]
    expected = run(layer, x)
    network = nn.Sequential(copy.deepcopy(layer))
    use_onednn(network)
    found = run(network[0], x)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-5, atol=1e-6 * float(value.abs().max()))
    with torch.no_grad():
        torch.testing.assert_close(network(x), expected["y"])
        assert torch.equal(network(x), network(torch.cat([x, x]))[:1])


@pytest.mark.parametrize("kind", [nn.Conv3d, Convolution])
def test_torch_is_given_no_single_image_that_it_would_be_slow_with(kind: type[nn.Conv3d]) -> None:
    layer = make(8, 16) if kind is Convolution else nn.Conv3d(8, 16, 3, padding=1)
    network = nn.Sequential(layer)
    use_onednn(network)
    assert network.state_dict().keys() == {f"0.{name}" for name in layer.state_dict()}
    for images in (1, 2):
        x = draw(8, GRID, torch.float32)[:images].requires_grad_()
        with torch.profiler.profile() as profile:
            network(x).sum().backward()
            with torch.no_grad():
                network(x)
        names = {event.name for event in profile.events()}
        assert not {name for name in names if "slow_conv" in name}
        assert "aten::mkldnn_convolution" in names
    assert kind is Convolution or type(network[0]) is not nn.Conv3d


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("dtype", [pytest.param(torch.bfloat16, marks=needs_bfloat16), torch.float32])
def test_the_classifier_is_torchs_convolution_and_hands_back_the_channels_last(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    layer, x = Classifier(8, 3), draw(8, GRID, dtype)
    plain = nn.Conv3d(8, 3, kernel_size=1)
    plain.load_state_dict(layer.state_dict())
    found = run(layer, x)
    for name, value in run(plain, x).items():
        close = 1e-5 if dtype == torch.float32 else 0.016
        torch.testing.assert_close(found[name], value, rtol=close, atol=1e-6 * float(value.abs().max()))
    # As it flows on to the layer before; what is gathered in `x.grad` is put into the order of x.
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        y = layer(x.requires_grad_())
    (gradient,) = torch.autograd.grad(y, x, torch.ones_like(y))
    assert gradient.is_contiguous(memory_format=torch.channels_last_3d)
