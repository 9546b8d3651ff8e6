"""Experiments on six tiny heads."""

from t1t2core.cohort.roles import FoldSplit, Roles
from t1t2core.experiment import Outcome
from t1t2core.strategies.staged import AnyExperiment

SPLIT = FoldSplit(
    1,
    t1=Roles(("P01", "P02"), ("P05",), ("P06",)),
    t2=Roles(("P03", "P02"), ("P04",), ("P06",)),
)
"""Of the heads of `make_subjects(6)`."""


def run(experiment: AnyExperiment) -> Outcome:
    """Train to the end and score."""
    while not experiment.finished:
        experiment.run_epoch()
    return experiment.score()
