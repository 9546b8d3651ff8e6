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
