"""What a trial reports that a choice may go by: scores on validation, times and memory.

Scores of test patients choose nothing.
"""

from ablation.names import EPOCHS, PEAK_MEMORY, SECONDS_PER_EPOCH, STANDALONE_SECONDS, TOTAL_SECONDS
from t1t2core.evaluation.scores import CLASSES, METRICS, TISSUES

MEAN = "mean"
"""Stands in the place of a class for the mean of bone, soft tissue and air."""
COSTS = {
    TOTAL_SECONDS: "total time",
    STANDALONE_SECONDS: "time computed alone",
    SECONDS_PER_EPOCH: "time of an epoch",
    EPOCHS: "number of epochs",
    PEAK_MEMORY: "peak memory",
}
"""What is the better the less there is of it, in words."""
OBJECTIVES = (
    *(f"validation/{name}/{metric}" for name in (MEAN, *CLASSES) for metric in METRICS),
    *COSTS,
)
METRICS_IN_WORDS = {"precision": "precision", "recall": "recall", "dsc": "Dice", "jsc": "Jaccard index"}


def objective_of(choose_by: str) -> str:
    """Return the objective that the setting `evaluation.choose_by` means."""
    return f"validation/{choose_by}/dsc"


MEAN_DICE = objective_of(MEAN)
"""What chooses where nothing else is said."""


def goes_up(objective: str) -> bool:
    """Return whether more of it is better: scores go up, times and memory down."""
    return objective.startswith("validation/")


def classes_of(objective: str) -> tuple[str, ...]:
    """Return the classes whose scores' mean a score is."""
    name = objective.split("/")[1]
    return TISSUES if name == MEAN else (name,)


def parts_of(objective: str) -> tuple[str, ...]:
    """Return the objectives that trials report and whose mean it is."""
    if not goes_up(objective):
        return (objective,)
    metric = objective.rpartition("/")[2]
    return tuple(f"validation/{name}/{metric}" for name in classes_of(objective))


def metric_of(objective: str) -> str:
    """Return what the record calls an objective of a finished trial: scores are those of its best weights."""
    return f"best_{objective}" if goes_up(objective) else objective


def in_words(objective: str) -> str:
    """Return how it is chosen by an objective, such as `on validation by mean Dice`."""
    if not goes_up(objective):
        return f"by the least {COSTS[objective]}"
    _, name, metric = objective.split("/")
    score = METRICS_IN_WORDS[metric]
    told = f"{MEAN} {score}" if name == MEAN else f"{score} of {name.replace('_', ' ')}"
    return f"on validation by {told}"
