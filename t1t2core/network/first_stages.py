"""A network whose first stages are trained, and whose last ones are frozen."""

from typing import Self

from torch import Tensor

from t1t2core.network.around import Around
from t1t2core.network.base import Network


class FirstStages(Around):
    """The network inside with its stages after the first few frozen, the classifier with them.

    The frozen ones keep their stored statistics. What enters them changes with every step, so nothing is
    computed once.

    Args:
        stages: that are trained.
    """

    def __init__(self, network: Network, stages: int) -> None:
        super().__init__(network)
        self._frozen = network.stages[stages:]
        for stage in self._frozen:
            stage.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """Training mode for what is trained; frozen stages stay in evaluation mode."""
        super().train(mode)
        for stage in self._frozen:
            stage.eval()
        return self

    def trained_state(self) -> dict[str, Tensor]:
        """Parameters and batch-norm statistics of the trained stages."""
        frozen = {
            id(tensor) for stage in self._frozen for tensor in stage.state_dict(keep_vars=True).values()
        }
        state = self.state_dict(keep_vars=True)
        return {name: tensor.detach() for name, tensor in state.items() if id(tensor) not in frozen}
