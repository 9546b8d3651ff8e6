"""Weights from elsewhere are taken where every name and shape fits, and what does not is named."""

from pathlib import Path
from typing import Any

import pytest
import torch
from monai.networks.nets.dynunet import DynUNet
from monai.networks.nets.unet import UNet
from safetensors.torch import save_file
from torch import nn

from t1t2core.errors import InputError
from t1t2core.network.build import build_network
from t1t2core.network.foreign import read_foreign
from t1t2core.network.plain import plain_operations
from t1t2core.settings import NetworkSettings

IMAGE = torch.randn((1, 1, 16, 24, 16), generator=torch.Generator().manual_seed(0))
UNET = NetworkSettings(architecture="unet", width=4)


def monais() -> UNet:
    return UNet(3, 1, 3, (4, 8, 16, 32), (2, 2, 2), num_res_units=2)


def logits(network: nn.Module) -> torch.Tensor:
    with torch.no_grad(), plain_operations():
        made: torch.Tensor = network.eval()(IMAGE)
    return made


@pytest.mark.parametrize(
    "wrap", [lambda s: s, lambda s: {"epoch": 3, "state_dict": {f"module.{n}": s[n] for n in s}}]
)
def test_a_checkpoint_of_monais_network_is_that_network(tmp_path: Path, wrap: Any) -> None:
    theirs, file = monais(), tmp_path / "model.pt"
    torch.save(wrap(theirs.state_dict()), file)
    ours = build_network(UNET, seed=1)
    ours.load_pretrained(read_foreign(file, UNET))
    assert torch.equal(logits(ours), logits(theirs))


def test_tensors_that_monai_has_under_two_names_are_one(tmp_path: Path) -> None:
    theirs, file = DynUNet(3, 1, 3, [3] * 4, [1, 2, 2, 2], [2] * 3, [4, 8, 16, 32]), tmp_path / "model.pt"
    torch.save(theirs.state_dict(), file)
    settings = NetworkSettings(architecture="dynunet", width=4)
    ours = build_network(settings, seed=1)
    ours.load_pretrained(read_foreign(file, settings))
    assert torch.equal(logits(ours), logits(theirs))


def test_a_safetensors_file_with_our_own_names_is_taken(tmp_path: Path) -> None:
    settings, file = NetworkSettings(width=2), tmp_path / "own.safetensors"
    weights = build_network(settings, seed=4).state_dict()
    save_file({name: tensor.contiguous() for name, tensor in weights.items()}, file)
    found = read_foreign(file, settings)
    assert all(torch.equal(found[name], tensor) for name, tensor in weights.items())


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    file = tmp_path / "model.pt"
    torch.save(UNet(3, 4, 3, (4, 8, 16, 32), (2, 2, 2), num_res_units=2).state_dict(), file)
    with pytest.raises(InputError) as refused:
        read_foreign(file, UNET)
    assert f"--pretrained {file} does not fit the network" in str(refused.value)
    assert "conv.unit0.conv.weight: has shape (4, 4, 3, 3, 3), this network needs (4, 1, 3, 3, 3)" in str(
        refused.value
    )


@pytest.mark.parametrize("content", [b"nonsense", None])
def test_what_is_no_file_of_weights_is_refused(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "model.pt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InputError, match=f"--pretrained {file}: (no such file|neither)"):
        read_foreign(file, UNET)


def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "model.pt"
    torch.save({"state_dict": monais()}, file)
    with pytest.raises(InputError, match="tensors and plain values alone"):
        read_foreign(file, UNET)
