"""The factors of a trial: what the study varies."""

from dataclasses import dataclass
from typing import Literal

from t1t2core.settings import Fusion

StrategyName = Literal[
    "no_fine_tuning",
    "open",
    "conservative",
    "hybrid",
    "augmented",
    "scratch",
    "norm_adaptation",
    "low_rank",
    "gradual",
    "first_layers",
    "contrast_randomised",
]
TunedLayers = int | Literal["fc"]


@dataclass(frozen=True, kw_only=True)
class Factors:
    """What the study varies; None where a factor means nothing to the strategy.

    Args:
        strategy: how the pretrained network is brought to T2.
        tuned_layers: the last so many of 21 convolutions, or "fc", the last layer alone; of `first_layers`
            the first so many.
        fusion: operator that joins the two encoders.
        t2_train_size: T2 training patients.
        learning_rate: initial rate (plateau) or highest (one_cycle); None takes that of the settings.
        seed: of the initial weights and of the order of the patches; None is 0.
    """

    strategy: StrategyName
    tuned_layers: TunedLayers | None = None
    fusion: Fusion | None = None
    t2_train_size: int | None = None
    learning_rate: float | None = None
    seed: int | None = None
