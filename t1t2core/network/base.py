"""What training and scoring ask of a network, whatever its strategy made of it."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from t1t2core.network.stage import ClassifierStage, Features, run_stages

CONVOLUTION_DIM = 5
"""Dimensions of a kernel: channels out, channels in, and three of space."""


class Network(nn.Module, ABC):
    """A network with a frozen part, which may be empty, and a trained part, which may be empty too.

    The frozen part has no gradient and gives the same for an image all through the training: its batch norm
    stays on its stored statistics, also in training mode.
    """

    fresh_classifier = True
    """Whether the classifier is as initialised."""

    @property
    @abstractmethod
    def frozen_chains(self) -> list[list[nn.Module]]:
        """Rows of frozen stages, each from `Features` of an image on; the first may be empty."""

    @property
    @abstractmethod
    def has_trained_part(self) -> bool:
        """Return whether anything is trained."""

    @property
    @abstractmethod
    def stages(self) -> list[nn.Module]:
        """Those that may be trained, in the order of the data; the classifier is the last."""

    @abstractmethod
    def classifier(self) -> ClassifierStage:
        """The last stage."""

    @abstractmethod
    def combine_frozen(self, image: Tensor, outputs: list[Features]) -> Features:
        """Return what the trained part takes, for an image (B, 1, X, Y, Z) and each frozen chain's output."""

    @abstractmethod
    def run_trained(self, features: Features) -> Tensor:
        """Logits (B, classes, X, Y, Z) from what `run_frozen` gave."""

    @abstractmethod
    def trained_state(self) -> dict[str, Tensor]:
        """The tensors that differ from the pretrained network's, by their full names."""

    def begin_epoch(self, epoch: int) -> bool:
        """Change what is frozen before an epoch, counted from 0; return whether anything was changed."""
        return False

    def run_frozen(self, image: Tensor) -> Features:
        """Return what the trained part takes, for an image (B, 1, X, Y, Z); without gradient."""
        with torch.no_grad():
            outputs = [run_stages(chain, Features(image)) for chain in self.frozen_chains]
            return self.combine_frozen(image, outputs)

    def forward(self, image: Tensor) -> Tensor:
        """Logits (B, classes, X, Y, Z) of an image (B, 1, X, Y, Z)."""
        return self.run_trained(self.run_frozen(image))

    def set_class_shares(self, shares: Tensor) -> None:
        """Lets a fresh classifier start at these shares (classes,) of the classes, whatever enters it.

        Lin et al., ICCV 2017, Sec. 3.3, start their classifier so for the same reason: rare classes.
        """
        self.classifier().set_bias(shares.log())

    def initialise(self, *, seed: int) -> None:
        """Glorot uniform kernels and zero biases (Sec. 3.5); scales and shifts start at 1 and 0."""
        generator = torch.Generator().manual_seed(seed)
        for part in self.modules():
            if isinstance(part, nn.Conv3d | nn.Linear):
                nn.init.xavier_uniform_(part.weight, generator=generator)
                if part.bias is not None:
                    nn.init.zeros_(part.bias)
        # Convolutions over few channels are about twice as fast on a CPU with the channels last.
        for parameter in self.parameters():
            if parameter.dim() == CONVOLUTION_DIM:
                parameter.data = parameter.data.to(memory_format=torch.channels_last_3d)
