"""When the learning rate falls and when training ends (Sec. 3.5)."""

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR, ReduceLROnPlateau

from t1t2core.settings import TrainingSettings


def make_schedule(
    optimiser: Optimizer, settings: TrainingSettings, *, steps: int
) -> OneCycleLR | ReduceLROnPlateau:
    """The schedule that the settings name.

    - plateau: the rate falls by `plateau_factor` when the monitor has not improved for
      `plateau_patience` epochs (Sec. 3.5). torch counts the epochs it tolerates, hence one less.
    - one_cycle: from a 25th of the optimiser's rate up to it in the first 30 % of `steps`, then down to
      almost nothing by a cosine (Smith & Topin 2019; torch's defaults). Not in the study.
    """
    if settings.schedule == "one_cycle":
        highest = [float(group["lr"]) for group in optimiser.param_groups]
        return OneCycleLR(optimiser, max_lr=highest, total_steps=steps, cycle_momentum=False)
    return ReduceLROnPlateau(
        optimiser,
        mode="max",
        factor=settings.plateau_factor,
        patience=settings.plateau_patience - 1,
        threshold=settings.min_delta,
        threshold_mode="abs",
    )


def advance_step(schedule: LRScheduler) -> None:
    """After each optimiser step."""
    if isinstance(schedule, OneCycleLR):
        schedule.step()


def advance_epoch(schedule: LRScheduler, monitored: float) -> None:
    """After each epoch, with the monitored value (the higher the better)."""
    if isinstance(schedule, ReduceLROnPlateau):
        schedule.step(monitored)


class EarlyStop:
    """Counts the epochs in which the monitored value did not improve."""

    def __init__(self, *, patience: int | None, min_delta: float) -> None:
        self.patience = patience
        self.min_delta = min_delta
        self.best = float("-inf")
        self.waited = 0

    def observe(self, monitored: float) -> bool:
        """Return whether to stop after an epoch with this value (the higher the better)."""
        if monitored > self.best + self.min_delta:
            self.best, self.waited = monitored, 0
        else:
            self.waited += 1
        return self.patience is not None and self.waited >= self.patience

    def state(self) -> dict[str, float]:
        """Return what `restore` needs."""
        return {"best": self.best, "waited": self.waited}

    def restore(self, state: dict[str, float]) -> None:
        """Goes on counting where another had got to."""
        self.best, self.waited = state["best"], int(state["waited"])
