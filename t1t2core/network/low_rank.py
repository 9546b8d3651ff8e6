"""Low-rank additions to the kernels of a network that stays as it is.

LoRA: Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", 2021 (arXiv 2106.09685).
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from t1t2core.network.around import Around
from t1t2core.network.base import Network
from t1t2core.network.staged import STATISTICS


class LowRankNetwork(Around):
    """A network of whose weights only low-rank additions and the classifier are trained.

    Batch norm goes by the patches, as in every layer that is trained: its statistics are no weights, and are
    kept with what is. Its scales and shifts stay, as all biases do.

    Args:
        network: with the weights that stay.
        rank: of each addition.
        seed: of where they start.
    """

    def __init__(self, network: Network, rank: int, *, seed: int) -> None:
        super().__init__(network)
        network.requires_grad_(False)
        generator = torch.Generator().manual_seed(seed)
        *before, classifier = network.stages
        for part in [part for stage in before for part in stage.modules()]:
            if isinstance(part, nn.Conv3d | nn.ConvTranspose3d | nn.Linear):
                addition = LowRank(part.weight, rank, generator)
                # To kernels of a single row, say, it would add more than there is.
                if addition.numbers < part.weight.numel():
                    parametrize.register_parametrization(part, "weight", addition)
        classifier.requires_grad_(True)

    def trained_state(self) -> dict[str, Tensor]:
        """The additions, the classifier, and the statistics of batch norm."""
        trained = {name for name, parameter in self.named_parameters() if parameter.requires_grad}
        state = self.state_dict()
        return {name: state[name] for name in state if name in trained or name.endswith(STATISTICS)}


class LowRank(nn.Module):
    """A kernel plus the product of two thin matrices, which is 0 at the start.

    A kernel (out, in, x, y, z) is taken as a matrix with rows (out, z) and columns (in, x, y): an addition of
    rank 1 is one filter within the slices of all channels, then one across the slices for each channel that
    leaves. That takes a third of the numbers of rows (out) and columns (in, x, y, z).

    Hu et al. scale what is added, which with Adam is no more than another learning rate.

    Args:
        kernel: (out, in) or (out, in, x, y, z), that is added to.
    """

    def __init__(self, kernel: Tensor, rank: int, generator: torch.Generator) -> None:
        super().__init__()
        out, into, *sides = kernel.shape
        across, within = (sides[-1], sides[:-1]) if sides else (1, [])
        self.within = nn.Parameter(torch.empty(rank, into, *within))
        self.across = nn.Parameter(torch.zeros(out, rank, across))
        nn.init.normal_(self.within, std=1 / math.sqrt(self.within[0].numel()), generator=generator)

    @property
    def numbers(self) -> int:
        """How many it has."""
        return self.within.numel() + self.across.numel()

    def forward(self, kernel: Tensor) -> Tensor:
        """Return the kernel with what is added to it."""
        added = torch.einsum("orz,r...->o...z", self.across, self.within)
        return kernel + added.reshape(kernel.shape)
