"""A trial of the study, from its factors; and the training of the T1 network that it starts from."""

from collections.abc import Iterable, Mapping

from torch import Tensor

from t1t2core.cohort.roles import FoldSplit, Roles
from t1t2core.experiment import Experiment, Scans
from t1t2core.network.segmenter import Segmenter
from t1t2core.preparation.prepare import PreparedSubject
from t1t2core.seeds import torch_seed
from t1t2core.settings import EvaluationSettings, Settings
from t1t2core.strategies import STRATEGIES, Factors
from t1t2core.strategies.staged import AnyExperiment
from t1t2core.training.compute import Compute


def make_experiment(
    factors: Factors,
    split: FoldSplit,
    subjects: Mapping[str, PreparedSubject],
    settings: Settings,
    *,
    pretrained: Mapping[str, Tensor] | None,
    compute: Compute,
) -> AnyExperiment:
    """Make the experiment that computes a trial.

    Args:
        split: the roles of the patients.
        subjects: by name; those that have a role are looked up.
        pretrained: weights of the T1 network, for strategies that start from it.
    """
    strategy = STRATEGIES[factors.strategy]
    return strategy.experiment(factors, split, subjects, settings, pretrained=pretrained, compute=compute)


def pretraining_experiment(
    training: Iterable[str],
    validation: Iterable[str],
    subjects: Mapping[str, PreparedSubject],
    settings: Settings,
    *,
    seed: int,
    compute: Compute,
) -> Experiment:
    """Make the experiment that trains the T1 network from scratch, by the path of every trial (Sec. 3.5).

    Args:
        training: names of the T1 patients to train on.
        validation: names of those that choose the best weights.
    """
    return Experiment(
        Segmenter(settings.network, seed=torch_seed(seed, "initial weights")),
        {"T1": Scans.of("T1", Roles(tuple(training), tuple(validation), ()), subjects)},
        settings.pretraining,
        EvaluationSettings(surface_distances=False),
        learning_rate=None,
        seed=seed,
        compute=compute,
    )
