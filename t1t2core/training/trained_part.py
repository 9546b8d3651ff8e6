"""The trained part of a network as a training step runs it: in one process, or in several at once."""

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from t1t2core.network.base import Network
from t1t2core.network.stage import Features
from t1t2core.training.compute import Compute
from t1t2core.training.shared_norm import share_norms


class _TrainedPart(nn.Module):
    """`Network.run_trained` as the forward pass, which is what torch synchronises."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, features: Features) -> Tensor:
        """Logits (B, 3, X, Y, Z)."""
        return self.network.run_trained(features)


def trained_part(network: Network, compute: Compute) -> Callable[[Features], Tensor]:
    """Gives logits for features; in a team, each gradient becomes the mean of those of all processes.

    There the network's batch norm takes its statistics from all processes, too, and all start with the
    weights of the first.
    """
    if compute.team.size == 1:
        return network.run_trained
    share_norms(network, compute.device)
    # What batch norm has stored is the same in all processes anyway: it comes from all of them.
    return DistributedDataParallel(_TrainedPart(network), forward_sync_buffers=False)
