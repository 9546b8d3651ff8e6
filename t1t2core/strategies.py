"""The strategies (Sec. 3.3) by name, and how each is trained: all that can be known without torch."""

from dataclasses import replace
from typing import Literal

from t1t2core.settings import Settings, TrainingSettings

Strategy = Literal[
    "no_fine_tuning", "open", "conservative", "hybrid", "augmented", "scratch", "norm_adaptation"
]
Fusion = Literal["concatenation", "multiplication", "average", "maximum"]
"""How a hybrid joins its two encoders (Table 5)."""
TunedLayers = int | Literal["fc"]

STARTS_PRETRAINED = frozenset({"no_fine_tuning", "open", "conservative", "hybrid", "norm_adaptation"})
"""Strategies that start from the T1 network."""
FROM_SCRATCH = frozenset({"augmented", "scratch"})
"""Strategies that take nothing from the T1 network."""
TRAINS = frozenset({"open", "conservative", "hybrid", "augmented", "scratch"})
"""Strategies that train a weight."""
SCORED_ON_T1 = frozenset({"no_fine_tuning", "augmented"})
"""Strategies that are scored on T1 as well as T2 (Table 9)."""


def training_of(strategy: Strategy, fusion: Fusion | None, settings: Settings) -> TrainingSettings:
    """How a strategy is trained.

    What is trained from scratch gets the budget of the T1 network, which was trained so too (Sec. 3.3.4,
    4.6); a hybrid, of which a part is, a multiple of what tuning gets, and a batch of its own for
    concatenation (Sec. 4.3).
    """
    if strategy in FROM_SCRATCH:
        return settings.pretraining
    training = settings.training
    if strategy != "hybrid":
        return training
    size = training.batch_size_of_concatenation if fusion == "concatenation" else None
    steps = None if training.max_steps is None else training.max_steps * training.hybrid_steps_factor
    return replace(training, batch_size=size or training.batch_size, max_steps=steps)
