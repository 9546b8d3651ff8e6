"""Processes that train one network together, each on its share of the patches of every step.

A step has the same patches, loss and gradients whatever the number of processes, but for rounding.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch.distributed as dist
from torch import Tensor

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Team:
    """This process's place among those that train the network; all of them do all that follows.

    Args:
        rank: of this process, 0 for the first.
        size: number of processes; those of a team of more than one have joined torch's process group.
    """

    rank: int = 0
    size: int = 1

    @classmethod
    def joined(cls) -> "Team":
        """Torch's process group; of one if this process has joined none."""
        if not dist.is_initialized():
            return cls()
        return cls(rank=dist.get_rank(), size=dist.get_world_size())

    @property
    def is_first(self) -> bool:
        """Return whether this process speaks for the team."""
        return self.rank == 0

    def share(self, items: Sequence[T]) -> list[T]:
        """This process's part of them, every `size`-th; may be empty."""
        return list(items[self.rank :: self.size])

    def gather(self, mine: list[T]) -> list[T]:
        """Return what all have made of their shares, in the order of what was shared out."""
        if self.size == 1:
            return mine
        parts: list[Any] = [None] * self.size
        dist.all_gather_object(parts, mine)
        gathered: list[T] = [None] * sum(map(len, parts))  # type: ignore[list-item]
        for rank, part in enumerate(parts):
            gathered[rank :: self.size] = part
        return gathered

    def told_by_first(self, make: Callable[[], T]) -> T:
        """Return what the first process makes; the others do not make it, but are told."""
        if self.size == 1:
            return make()
        told: list[Any] = [make() if self.is_first else None]
        dist.broadcast_object_list(told)
        result: T = told[0]
        return result

    def total(self, values: Tensor) -> Tensor:
        """Sum over the processes, element by element."""
        if self.size == 1:
            return values
        total = values.clone()
        dist.all_reduce(total)
        return total


ALONE = Team()
"""One process that trains by itself."""
