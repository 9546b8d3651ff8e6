"""Networks written for other programs compute what they computed, or nothing is written."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from t1t2core.errors import InputError
from t1t2core.evaluation.portable import Voted, write_onnx, write_torchscript
from t1t2core.network.base import Network
from t1t2core.network.plain import plain_operations
from t1t2core.network.segmenter import Segmenter
from t1t2core.settings import NetworkSettings, Shape

PATCH: Shape = (16, 16, 16)


def network(architecture: str = "excitation", seed: int = 0) -> Network:
    """One whose batch norm has seen something, with its first stages frozen."""
    made = Segmenter(NetworkSettings(width=8, architecture=architecture), seed=seed).train()
    with torch.no_grad():
        for _ in range(3):
            made(torch.randn(2, 1, *PATCH))
    made.freeze(2)
    return made


def distance(found: Tensor, expected: Tensor) -> float:
    """As vectors: rounding moves a maximum to another voxel at times, and then some voxels are others."""
    return float((found - expected).norm() / expected.norm())


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["excitation", "unet", "dynunet", "segresnet"])
def test_torchscript_of_each_architecture(architecture: str, tmp_path: Path) -> None:
    networks = [network(architecture, seed) for seed in (0, 1)]
    voted, image = Voted(networks), torch.randn(3, 1, *PATCH)
    write_torchscript(voted, PATCH, tmp_path / "model.ts")
    with torch.no_grad():
        found = torch.jit.load(tmp_path / "model.ts")(image)
        expected = torch.stack([one(image).softmax(dim=1) for one in networks]).mean(dim=0)
    assert distance(found.softmax(dim=1), expected) < 5e-3


@pytest.mark.slow
@pytest.mark.parametrize(
    "architecture", ["unet", "segresnet", pytest.param("swin_unetr", marks=pytest.mark.exhaustive)]
)
def test_onnx_of_other_architectures(architecture: str, tmp_path: Path) -> None:
    is_swin = architecture == "swin_unetr"
    settings = NetworkSettings(width=12 if is_swin else 8, architecture=architecture)
    patch = (64, 32, 32) if is_swin else PATCH
    # It refuses a file that computes something else, run in ONNX Runtime.
    write_onnx(Voted([Segmenter(settings, seed=0)]), patch, tmp_path / "model.onnx", {"made": "here"})
    assert (tmp_path / "model.onnx").stat().st_size > 0


def test_plain_operations_give_the_same_but_for_rounding() -> None:
    made, image = network().eval(), torch.randn(1, 1, 32, 32, 16)
    with torch.no_grad():
        fast = made(image)
        with plain_operations():
            plain = made(image)
        assert distance(fast, plain) < 5e-3
        assert torch.equal(made(image), fast)


def test_a_network_that_looks_at_its_values_is_refused(tmp_path: Path) -> None:
    class Choosy(torch.nn.Module):
        def forward(self, image: Tensor) -> Tensor:
            three = torch.cat([image, image, image], dim=1)
            return three if float(image.mean()) > 0 else three * self.scale

        scale = torch.tensor(2.0)

    voted = Voted([network()])
    voted.networks[0] = Choosy()
    with pytest.raises(InputError, match="this network cannot be written as ONNX: "):
        write_onnx(voted, PATCH, tmp_path / "model.onnx", {})
