"""A network made of stages, of which the first so many may be frozen."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Self

from torch import Tensor, nn

from t1t2core.network.base import Network
from t1t2core.network.stage import ClassifierStage, Features, run_stages
from t1t2core.settings import NetworkSettings

STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
"""What batch norm keeps of the images it has seen."""


class StagedNetwork(Network):
    """Stages in the order of the data, the classifier last; the first `frozen_stages` are not trained."""

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        self.frozen_norm = settings.frozen_norm
        self.frozen_stages = 0
        self.norms_adapted = False

    @property
    @abstractmethod
    def stages(self) -> list[nn.Module]:
        """All stages, in the order of the data."""

    @property
    def frozen_chains(self) -> list[list[nn.Module]]:
        """One: the frozen stages, unless their batch norm changes while others are trained."""
        return [self.stages[: self._constant_stages]]

    @property
    def has_trained_part(self) -> bool:
        """Return whether any stage is trained."""
        return self.frozen_stages < len(self.stages)

    def load_pretrained(self, state: Mapping[str, Tensor]) -> None:
        """Takes over all tensors of another network of the same architecture."""
        self.load_state_dict(dict(state))
        self.fresh_classifier = False

    def classifier(self) -> ClassifierStage:
        """The last stage."""
        last = self.stages[-1]
        assert isinstance(last, ClassifierStage)
        return last

    def freeze(self, stages: int) -> None:
        """Freezes the first `stages` of them and trains the others."""
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
        """Logits (B, classes, X, Y, Z) from what `run_frozen` gave."""
        return run_stages(self.stages[self._constant_stages :], features).values

    def trained_state(self) -> dict[str, Tensor]:
        """Parameters and batch-norm statistics of the trained stages; adapted statistics in any stage."""
        trained = tuple(self._stage_names()[self.frozen_stages :])
        adapted = STATISTICS if self.norms_adapted or self._norms_adapt else ()
        state = self.state_dict()
        return {name: state[name] for name in state if name.startswith(trained) or name.endswith(adapted)}

    def _stage_names(self) -> list[str]:
        """What the names of each stage's tensors begin with."""
        names = {part: name for name, part in self.named_modules()}
        return [f"{names[stage]}." for stage in self.stages]

    @property
    def _norms_adapt(self) -> bool:
        """Return whether training changes the batch-norm statistics of frozen stages."""
        return self.frozen_norm == "adapted" and self.frozen_stages > 0 and self.has_trained_part

    @property
    def _constant_stages(self) -> int:
        """How many of the first stages make the same of an image all through the training."""
        return 0 if self._norms_adapt else self.frozen_stages
