"""What a trial asks Ray for."""

from dataclasses import dataclass
from typing import Literal

DeviceKind = Literal["cpu", "cuda"]


def device_for(gpus: float) -> DeviceKind:
    """Return what is computed on by whoever has asked for this share of a GPU.

    Not what the machine has: Ray hides no GPU from those that asked for none.
    """
    return "cuda" if gpus > 0 else "cpu"


@dataclass(frozen=True)
class TrialResources:
    """What one trial has to itself while it runs.

    Args:
        cpus: processor cores.
        gpus: GPUs; a part of one where trials share it, 0 where they use none.
    """

    cpus: float
    gpus: float

    @property
    def device(self) -> DeviceKind:
        """What it is computed on."""
        return device_for(self.gpus)


@dataclass(frozen=True)
class Room:
    """What a sweep has room for.

    Args:
        trial: that each trial asks for.
        network: that the training of a pretrained network asks for.
        slots: how many of them run at once.
    """

    trial: TrialResources
    network: TrialResources
    slots: int
