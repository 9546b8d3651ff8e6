"""Every network keeps to the contract, and the contract tells what a network breaks."""

import pytest
import torch
from torch import Tensor, nn

from t1t2core.errors import InputError
from t1t2core.network.architectures import ARCHITECTURES, architecture_of
from t1t2core.network.build import build_network
from t1t2core.network.contract import breaches
from t1t2core.network.stage import ClassifierStage, Features
from t1t2core.settings import NetworkSettings

HERE = "tests.t1t2core.network.test_contract"


class Whole(nn.Module):
    """A network without stages."""

    def __init__(self, *, width: int, classes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv3d(1, width, 3, padding=1), nn.ReLU(), nn.Conv3d(width, classes, 1)
        )

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.layers(images)
        return logits


class Plain(nn.Module):
    """A stage of one convolution."""

    convolutions = 1

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__()
        self.layer = nn.Conv3d(channels_in, channels, 3, padding=1)

    def forward(self, features: Features) -> Features:
        return Features(self.layer(features.values))


class Staged(nn.Module):
    """Two stages and the classifier."""

    first: type[nn.Module] = Plain
    second: type[nn.Module] = Plain

    def __init__(self, *, width: int, classes: int) -> None:
        super().__init__()
        stages = [self.first(1, width), self.second(width, width)]
        self.stages = nn.ModuleList([*stages, ClassifierStage(nn.Conv3d(width, classes, 1))])


class InPlace(Plain):
    """Changes what it is given."""

    def forward(self, features: Features) -> Features:
        return Features(self.layer(features.values.relu_()))


class Forgetful(Plain):
    """Gives something else each time."""

    def forward(self, features: Features) -> Features:
        return Features(self.layer(features.values) + torch.rand(()))


class Deaf(Plain):
    """Lets no gradient through to its own weights."""

    def forward(self, features: Features) -> Features:
        return Features(self.layer(features.values).detach() + 0 * features.values.mean())


class ChangesItsInput(Staged):
    second = InPlace


class IsRandom(Staged):
    second = Forgetful


class LearnsNothing(Staged):
    second = Deaf


class Uncounted(nn.Module):
    """Stages without a number of convolutions."""

    def __init__(self, *, width: int, classes: int) -> None:
        super().__init__()
        self.stages = nn.ModuleList([nn.Conv3d(1, width, 1), nn.Conv3d(width, classes, 1)])


class Wrong(Whole):
    """Makes a class too many."""

    def __init__(self, *, width: int, classes: int) -> None:
        super().__init__(width=width, classes=classes + 1)


@pytest.mark.parametrize(
    ("architecture", "width"),
    [
        ("excitation", 4),
        ("unet", 4),
        ("dynunet", 4),
        ("segresnet", 4),
        pytest.param("swin_unetr", 12, marks=pytest.mark.exhaustive),
        (f"{HERE}:Whole", 4),
        (f"{HERE}:Staged", 4),
        ("docs.own_network:Small", 4),
    ],
)
def test_a_network_keeps_to_the_contract(architecture: str, width: int) -> None:
    assert breaches(NetworkSettings(architecture=architecture, width=width)) == []


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_what_is_said_of_a_network_is_what_is_built(architecture: str) -> None:
    known = ARCHITECTURES[architecture]
    built = build_network(NetworkSettings(architecture=architecture, width=known.width_divisor * 2), seed=0)
    assert tuple(stage.convolutions for stage in built.stages) == known.convolutions
    assert known.encoder in (0, len(built.encoder.stages))  # type: ignore[arg-type, union-attr]
    statistics = any(isinstance(part, nn.BatchNorm3d) for part in built.modules())
    assert statistics == (known.keeps_statistics or architecture == "excitation")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Wrong", "shapes: of images (2, 1, 16, 40, 24) it makes (2, 5, 16, 40, 24), it should make"),
        ("ChangesItsInput", "stages: stage 1 changes what it is given in place"),
        ("IsRandom", "determinism: two looks at the same images differ"),
        ("LearnsNothing", "gradient: none reaches stage 1"),
    ],
)
def test_what_a_network_breaks_is_told(name: str, told: str) -> None:
    found = breaches(NetworkSettings(architecture=f"{HERE}:{name}", width=4))
    assert any(line.startswith(told) for line in found), found


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("nowhere.at_all:Net", "No module named 'nowhere'"),
        (f"{HERE}:Missing", "has no attribute 'Missing'"),
        (f"{HERE}:HERE", "no subclass of torch.nn.Module"),
        ("torch.nn:ReLU", "unexpected keyword argument 'width'"),
        (f"{HERE}:Uncounted", "each of its stages needs `convolutions`"),
    ],
)
def test_a_class_that_is_no_network_is_refused(name: str, told: str) -> None:
    with pytest.raises(InputError, match=r"network\.architecture") as refused:
        architecture_of(name)
    assert told in str(refused.value)


def test_the_same_seed_leaves_torchs_own_generator_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(())
    torch.manual_seed(3)
    build_network(NetworkSettings(architecture="unet", width=2), seed=0)
    assert torch.equal(torch.rand(()), expected)
