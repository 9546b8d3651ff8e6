"""The whole network, and which part of it is frozen."""

from collections.abc import Iterable, Mapping
from typing import Self

import torch
from torch import Tensor, nn

from t1t2core.network.block import CONVOLUTIONS_PER_BLOCK
from t1t2core.network.decoder import Decoder
from t1t2core.network.encoder import Encoder
from t1t2core.network.stage import ClassifierStage, Features
from t1t2core.settings import NetworkSettings

CONVOLUTIONS = 21
"""Convolutions of the network, the classifier not counted (Sec. 3.3, Fig. 1)."""
CONVOLUTION_DIM = 5
"""Dimensions of a kernel: channels out, channels in, and three of space."""


class Segmenter(nn.Module):
    """Encoder and decoder: 21 convolutions, 7 attention blocks, the classifier (Fig. 1).

    Frozen stages have no gradient and keep batch norm on its stored statistics, also in training mode.
    """

    def __init__(self, settings: NetworkSettings, *, seed: int) -> None:
        super().__init__()
        self.encoder = Encoder(settings)
        self.decoder = Decoder(settings)
        self.frozen_stages = 0
        self.fresh_classifier = True
        initialise(self, seed=seed)
        # Convolutions over few channels are about twice as fast on a CPU with the channels last.
        for parameter in self.parameters():
            if parameter.dim() == CONVOLUTION_DIM:
                parameter.data = parameter.data.to(memory_format=torch.channels_last_3d)

    @property
    def stages(self) -> list[nn.Module]:
        """All eight, in the order of the data."""
        return [*self.encoder.stages, *self.decoder.stages]

    def load_pretrained(self, state: Mapping[str, Tensor]) -> None:
        """Takes over all tensors of another network of the same architecture."""
        self.load_state_dict(dict(state))
        self.fresh_classifier = False

    def set_class_shares(self, shares: Tensor) -> None:
        """Lets a fresh classifier start at these shares (3,) of the classes, whatever enters it.

        Lin et al., ICCV 2017, Sec. 3.3, start their classifier so for the same reason: rare classes.
        """
        classifier = self.stages[-1]
        assert isinstance(classifier, ClassifierStage)
        classifier.set_bias(shares.log())

    def freeze(self, stages: int) -> None:
        """Freezes the first `stages` of the eight and trains the others."""
        self.frozen_stages = stages
        for number, stage in enumerate(self.stages):
            stage.requires_grad_(number >= stages)
        self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """Training mode for what is trained; the frozen stages stay in evaluation mode."""
        super().train(mode)
        for stage in self.stages[: self.frozen_stages]:
            stage.eval()
        return self

    def run_frozen(self, image: Tensor) -> Features:
        """What enters the first trained stage, for an image (B, 1, X, Y, Z)."""
        with torch.no_grad():
            return _run(self.stages[: self.frozen_stages], Features(image))

    def run_trained(self, features: Features) -> Tensor:
        """Logits (B, 3, X, Y, Z) from what `run_frozen` gave."""
        return _run(self.stages[self.frozen_stages :], features).values

    def forward(self, image: Tensor) -> Tensor:
        """Logits (B, 3, X, Y, Z) of an image (B, 1, X, Y, Z); X, Y and Z are multiples of 8."""
        return self.run_trained(self.run_frozen(image))

    def trained_state(self) -> dict[str, Tensor]:
        """The tensors of the trained stages (parameters and batch-norm statistics), by their full names."""
        names = [f"encoder.stages.{n}." for n in range(len(self.encoder.stages))]
        names += [f"decoder.stages.{n}." for n in range(len(self.decoder.stages))]
        trained = tuple(names[self.frozen_stages :])
        return {name: tensor for name, tensor in self.state_dict().items() if name.startswith(trained)}


def stages_before(tuned_layers: int) -> int:
    """How many stages are frozen when the last `tuned_layers` of the 21 convolutions are tuned (0: `fc`).

    The classifier is a stage of its own and always tuned; a block's attention and batch norm go with
    its convolutions.
    """
    return (CONVOLUTIONS - tuned_layers) // CONVOLUTIONS_PER_BLOCK


def initialise(module: nn.Module, *, seed: int) -> None:
    """Glorot uniform kernels and zero biases (Sec. 3.5); batch norm starts as the identity."""
    generator = torch.Generator().manual_seed(seed)
    for part in _weighted(module.modules()):
        nn.init.xavier_uniform_(part.weight, generator=generator)
        if part.bias is not None:
            nn.init.zeros_(part.bias)


def _weighted(parts: Iterable[nn.Module]) -> Iterable[nn.Conv3d | nn.Linear]:
    return (part for part in parts if isinstance(part, nn.Conv3d | nn.Linear))


def _run(stages: Iterable[nn.Module], features: Features) -> Features:
    for stage in stages:
        features = stage(features)
    return features
