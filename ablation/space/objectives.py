"""What a trial reports that a choice may go by: scores on validation, times and memory.

Scores of test patients choose nothing.
"""

from ablation.names import EPOCHS, PEAK_MEMORY, SECONDS_PER_EPOCH, STANDALONE_SECONDS, TOTAL_SECONDS
from t1t2core.evaluation.scores import METRICS
from t1t2core.settings.classes import MEAN, STUDY_CLASSES, Classes

AND = "+"
"""Between the names of classes whose scores' mean counts."""
COSTS = {
    TOTAL_SECONDS: "total time",
    STANDALONE_SECONDS: "time computed alone",
    SECONDS_PER_EPOCH: "time of an epoch",
    EPOCHS: "number of epochs",
    PEAK_MEMORY: "peak memory",
}
"""What is the better the less there is of it, in words."""
METRICS_IN_WORDS = {"precision": "precision", "recall": "recall", "dsc": "Dice", "jsc": "Jaccard index"}


def objectives_of(classes: Classes) -> tuple[str, ...]:
    """Return all that trials with these classes report and that a choice may go by."""
    names = (MEAN, *classes.scored)
    return (*(f"validation/{name}/{metric}" for name in names for metric in METRICS), *COSTS)


def objective_of(choose_by: str, classes: Classes = STUDY_CLASSES) -> str:
    """Return the objective that the setting `evaluation.choose_by` means."""
    return resolved(f"validation/{choose_by}/dsc", classes)


def resolved(objective: str, classes: Classes) -> str:
    """Return an objective that names the classes whose mean it is, unless they are those of the study."""
    if classes == STUDY_CLASSES or not objective.startswith(f"validation/{MEAN}/"):
        return objective
    return objective.replace(f"/{MEAN}/", f"/{AND.join(classes.foreground)}/")


MEAN_DICE = objective_of(MEAN)
"""What chooses where nothing else is said."""


def goes_up(objective: str) -> bool:
    """Return whether more of it is better: scores go up, times and memory down."""
    return objective.startswith("validation/")


def classes_of(objective: str) -> tuple[str, ...]:
    """Return the classes whose scores' mean a score is."""
    name = objective.split("/")[1]
    return STUDY_CLASSES.foreground if name == MEAN else tuple(name.split(AND))


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
    told = f"{MEAN} {score}" if name == MEAN or AND in name else f"{score} of {name.replace('_', ' ')}"
    return f"on validation by {told}"
