"""What a trial asks Ray for."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TrialResources:
    """What one trial has to itself while it runs.

    Args:
        cpus: processor cores.
        gpus: GPUs; a part of one where trials share it, 0 where they use none.
    """

    cpus: float
    gpus: float


@dataclass(frozen=True)
class Room:
    """What a sweep has room for.

    Args:
        trial: that each trial asks for.
        network: that the training of a T1 network asks for.
        slots: how many of them run at once.
    """

    trial: TrialResources
    network: TrialResources
    slots: int
