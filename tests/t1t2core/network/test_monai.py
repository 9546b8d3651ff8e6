"""MONAI's networks in stages are MONAI's networks: they compute what MONAI computes at once."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from monai.networks.nets.dynunet import DynUNet
from monai.networks.nets.segresnet import SegResNet
from monai.networks.nets.swin_unetr import SwinUNETR
from monai.networks.nets.unet import UNet
from torch import nn

from t1t2core.network import flops
from t1t2core.network.build import build_hybrid, build_network
from t1t2core.network.plain import plain_operations
from t1t2core.network.seeded import seeded
from t1t2core.settings import Fusion, NetworkSettings

WIDTH = 4
NETS: dict[str, Callable[[], nn.Module]] = {
    "unet": lambda: UNet(3, 1, 3, (4, 8, 16, 32), (2, 2, 2), num_res_units=2),
    "dynunet": lambda: DynUNet(3, 1, 3, [3] * 4, [1, 2, 2, 2], [2] * 3, [4, 8, 16, 32]),
    "segresnet": lambda: SegResNet(init_filters=4, out_channels=3, norm=("GROUP", {"num_groups": 4})),
    "swin_unetr": lambda: SwinUNETR(in_channels=1, out_channels=3, feature_size=12),
}


@pytest.mark.parametrize(
    "architecture", ["unet", "dynunet", "segresnet", pytest.param("swin_unetr", marks=pytest.mark.slow)]
)
def test_stage_by_stage_it_is_what_monai_computes(architecture: str) -> None:
    """From the same seed, and so with the same weights: nothing of the network is left out or added.

    On a CPU oneDNN computes what torch would be slow with, which is the same but for rounding.
    """
    is_swin = architecture == "swin_unetr"
    settings = NetworkSettings(architecture=architecture, width=12 if is_swin else WIDTH)
    ours = build_network(settings, seed=7)
    with seeded(7):
        monais = NETS[architecture]()
    image = torch.randn((1, 1, *((32, 64, 32) if is_swin else (16, 24, 16))))
    with torch.no_grad():
        logits = monais.eval()(image)
        torch.testing.assert_close(ours.eval()(image), logits, rtol=1e-4, atol=1e-4)
        with plain_operations():
            assert torch.equal(ours(image), logits)
    numbers = [sum(p.numel() for p in network.parameters()) for network in (ours, monais)]
    assert numbers[0] == numbers[1]


@pytest.mark.parametrize("architecture", ["unet", "dynunet", "segresnet"])
@pytest.mark.parametrize("fusion", ["concatenation", "maximum"])
def test_a_hybrid_has_two_encoders_and_trains_one_of_them(architecture: str, fusion: Fusion) -> None:
    settings = NetworkSettings(architecture=architecture, width=WIDTH, hybrid_decoder="pretrained")
    pretrained = build_network(settings, seed=1).state_dict()
    hybrid = build_hybrid(settings, fusion, seed=2).train()
    hybrid.load_pretrained(pretrained)
    for name, tensor in hybrid.adapted.state_dict().items():
        assert torch.equal(tensor, pretrained[f"encoder.{name}"])
    hybrid(torch.randn((2, 1, 16, 24, 16))).square().mean().backward()
    assert not any(p.requires_grad for p in hybrid.adapted.parameters())
    assert all(p.grad is not None for p in hybrid.dedicated.parameters())
    assert all(p.grad is not None for p in hybrid.decoder.parameters())
    same = [n for n, t in hybrid.decoder.state_dict().items() if t.equal(pretrained[f"decoder.{n}"])]
    widened = len(hybrid.decoder.state_dict()) - len(same)
    assert (widened > 0) == (fusion == "concatenation")
    assert widened < len(same), "all of the decoder but its first block comes from the pretrained network"


def test_operations_are_counted_once_for_networks_that_differ_in_their_weights_alone() -> None:
    settings = NetworkSettings(architecture="unet", width=WIDTH)
    patch = (16, 24, 16)
    counted: Any = {seed: flops.forward_flops(build_network(settings, seed=seed), patch) for seed in (0, 1)}
    wider = flops.forward_flops(build_network(NetworkSettings(architecture="unet", width=8), seed=0), patch)
    assert counted[0] == counted[1]
    assert 2 < wider / counted[0] < 4, "the first kernels have twice the channels on one side, others on both"


@pytest.mark.parametrize("architecture", ["unet", "dynunet", "segresnet"])
def test_a_process_without_a_patch_takes_part_in_a_step(architecture: str) -> None:
    """In a team each parameter needs a gradient in every process, if only of zeros."""
    network = build_network(NetworkSettings(architecture=architecture, width=WIDTH), seed=0).train()
    features = network.run_frozen(torch.randn((1, 1, 16, 24, 16))).first(0)
    logits = network.run_trained(features)
    assert logits.shape == (0, 3, 16, 24, 16)
    logits.sum().backward()
    assert all(p.grad is not None and not p.grad.any() for p in network.parameters())
