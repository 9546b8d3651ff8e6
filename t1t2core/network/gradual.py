"""A network that is thawed stage by stage, from its output on (Howard & Ruder 2018, arXiv 1801.06146)."""

from torch import Tensor

from t1t2core.network.around import Around
from t1t2core.network.staged import StagedNetwork


class GradualNetwork(Around):
    """Of the network inside the classifier is trained first, then one more stage every few epochs.

    It is whole until the first epoch begins: so it is known from the start what will be trained.

    Args:
        epochs: between the thawing of one stage and that of the next.
    """

    network: StagedNetwork

    def __init__(self, network: StagedNetwork, epochs: int) -> None:
        super().__init__(network)
        self._epochs = epochs
        # That is a setting of conservative: here they keep their statistics.
        network.frozen_norm = "stored"

    def begin_epoch(self, epoch: int) -> bool:
        """Thaw the stages whose time it is; return whether there was any."""
        frozen = max(0, len(self.stages) - 1 - epoch // self._epochs)
        if frozen == self.network.frozen_stages:
            return False
        self.network.freeze(frozen)
        return True

    def trained_state(self) -> dict[str, Tensor]:
        """All of it, since the best weights may be of an epoch in which a part was still frozen."""
        return self.state_dict()
