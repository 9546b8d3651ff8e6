"""The whole network, and which part of it is frozen."""

from collections.abc import Mapping
from typing import Self

from torch import Tensor, nn

from t1t2core.network.base import Network
from t1t2core.network.block import CONVOLUTIONS_PER_BLOCK
from t1t2core.network.decoder import Decoder
from t1t2core.network.encoder import Encoder
from t1t2core.network.stage import ClassifierStage, Features, run_stages
from t1t2core.settings import NetworkSettings

CONVOLUTIONS = 21
"""Convolutions of the network, the classifier not counted (Sec. 3.3, Fig. 1)."""
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
"""What batch norm keeps of the images it has seen."""


class Segmenter(Network):
    """Encoder and decoder: 21 convolutions, 7 attention blocks, the classifier (Fig. 1).

    Its first `frozen_stages` are frozen: no weight of theirs is trained.
    """

    def __init__(self, settings: NetworkSettings, *, seed: int) -> None:
        super().__init__()
        self.encoder = Encoder(settings)
        self.decoder = Decoder(settings)
        self.frozen_norm = settings.frozen_norm
        self.frozen_stages = 0
        self.norms_adapted = False
        self.initialise(seed=seed)

    @property
    def frozen_chains(self) -> list[list[nn.Module]]:
        """One: the frozen stages, unless their batch norm changes while others are trained."""
        return [self.stages[: self._constant_stages]]

    @property
    def has_trained_part(self) -> bool:
        """Return whether any stage is trained."""
        return self.frozen_stages < len(self.stages)

    @property
    def stages(self) -> list[nn.Module]:
        """All eight stages, in the order of the data."""
        return [*self.encoder.stages, *self.decoder.stages]

    def load_pretrained(self, state: Mapping[str, Tensor]) -> None:
        """Takes over all tensors of another network of the same architecture."""
        self.load_state_dict(dict(state))
        self.fresh_classifier = False

    def classifier(self) -> ClassifierStage:
        """The last stage."""
        return self.decoder.classifier()

    def freeze(self, stages: int) -> None:
        """Freezes the first `stages` of the eight and trains the others."""
        self.frozen_stages = stages
        for number, stage in enumerate(self.stages):
            stage.requires_grad_(number >= stages)
        self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """Training mode for what changes; frozen stages with stored statistics stay in evaluation mode."""
        super().train(mode)
        for stage in self.stages[: self._constant_stages]:
            stage.eval()
        return self

    def combine_frozen(self, image: Tensor, outputs: list[Features]) -> Features:
        """Return what enters the first trained stage."""
        return outputs[0]

    def run_trained(self, features: Features) -> Tensor:
        """Logits (B, 3, X, Y, Z) from what `run_frozen` gave."""
        return run_stages(self.stages[self._constant_stages :], features).values

    def trained_state(self) -> dict[str, Tensor]:
        """Parameters and batch-norm statistics of the trained stages; adapted statistics in any stage."""
        names = [f"encoder.stages.{n}." for n in range(len(self.encoder.stages))]
        names += [f"decoder.stages.{n}." for n in range(len(self.decoder.stages))]
        trained = tuple(names[self.frozen_stages :])
        adapted = STATISTICS if self.norms_adapted or self._norms_adapt else ()
        state = self.state_dict()
        return {name: state[name] for name in state if name.startswith(trained) or name.endswith(adapted)}

    @property
    def _norms_adapt(self) -> bool:
        """Return whether training changes the batch-norm statistics of frozen stages."""
        return self.frozen_norm == "adapted" and self.frozen_stages > 0 and self.has_trained_part

    @property
    def _constant_stages(self) -> int:
        """How many of the first stages make the same of an image all through the training."""
        return 0 if self._norms_adapt else self.frozen_stages


def stages_before(tuned_layers: int) -> int:
    """How many stages are frozen when the last `tuned_layers` of the 21 convolutions are tuned (0: `fc`).

    The classifier is a stage of its own and always tuned; a block's attention and batch norm go with
    its convolutions.
    """
    return (CONVOLUTIONS - tuned_layers) // CONVOLUTIONS_PER_BLOCK
