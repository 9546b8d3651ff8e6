"""What a search chooses from: arms with lists or ranges of values."""

from typing import Any

from ablation.search.candidates import CandidateSpace
from ablation.space.arm import Arm
from ablation.space.ranges import Range
from t1t2core.settings import Settings, TrainingSettings

SETTINGS = Settings(
    training=TrainingSettings(learning_rate=5e-3), pretraining=TrainingSettings(learning_rate=5e-3)
)


def arm(strategy: Any, **factors: Any) -> Arm:
    """An arm of three folds; other factors on request."""
    given: dict[str, Any] = {
        "t2_train_size": (8,),
        "learning_rate": (1e-3,),
        "folds": (1, 2, 3),
        "seeds": (0,),
        "pretraining_seeds": (0,),
    }
    return Arm(strategy=strategy, **{"tuned_layers": None, "fusion": None, **given, **factors})


def space(*arms: Arm) -> CandidateSpace:
    """Candidates of these arms, whose learning rate is 5e-3 where they give none."""
    return CandidateSpace(arms, [], SETTINGS)


LISTS = space(
    arm("no_fine_tuning"),
    arm("conservative", tuned_layers=(9, "fc"), learning_rate=(1e-2, 1e-3)),
    arm("hybrid", fusion=("average", "maximum"), learning_rate=()),
)
"""Seven candidates."""
RANGES = space(
    arm("open", learning_rate=Range("log_uniform", 1e-5, 1e-1)),
    arm("conservative", tuned_layers=("fc", 3, 6, 9, 12, 15, 18), learning_rate=Range("uniform", 1e-4, 1e-1)),
)
"""More candidates than can be tried."""
