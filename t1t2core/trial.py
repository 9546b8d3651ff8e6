"""A trial of the study, from its factors; and the training of the pretrained network that it starts from."""

from collections.abc import Iterable, Mapping

from torch import Tensor

from t1t2core.cohort.roles import FoldSplit, Roles
from t1t2core.errors import InputError
from t1t2core.experiment import Experiment, Outcome, Scans
from t1t2core.network.base import Network
from t1t2core.network.build import build_network
from t1t2core.network.fits import check_network
from t1t2core.preparation.prepare import PreparedSubject
from t1t2core.seeds import torch_seed
from t1t2core.settings import SOURCE, EvaluationSettings, Settings, TrainingSettings
from t1t2core.strategies import STRATEGIES, Factors
from t1t2core.strategies.staged import AnyExperiment
from t1t2core.training.compute import Compute, device_here, resolve_precision


def run_trial(
    factors: Factors,
    split: FoldSplit,
    subjects: Mapping[str, PreparedSubject],
    settings: Settings,
    *,
    pretrained: Mapping[str, Tensor] | None = None,
) -> Outcome:
    """Train and score a trial on this machine.

    Args:
        split: the roles of the patients, see `draw_splits`.
        subjects: by name, see `prepare_cohort`.
        pretrained: weights of the pretrained network, see `pretrain`; for strategies that start from it.
    """
    compute = _compute_here(settings.training, settings)
    return _run(make_experiment(factors, split, subjects, settings, pretrained=pretrained, compute=compute))


def pretrain(
    split: FoldSplit, subjects: Mapping[str, PreparedSubject], settings: Settings, *, seed: int = 0
) -> dict[str, Tensor]:
    """Train the pretrained network of a fold on this machine and return its best weights, by name.

    Args:
        seed: of its initial weights and of the order of the patches.
    """
    compute, t1 = _compute_here(settings.pretraining, settings), split.t1
    experiment = pretraining_experiment(
        t1.training, t1.validation, subjects, settings, seed=seed, compute=compute
    )
    return _run(experiment).weights


def trained_network(
    factors: Factors, outcome: Outcome, settings: Settings, *, pretrained: Mapping[str, Tensor] | None = None
) -> Network:
    """Build the network of a trial that was run, with its best weights.

    Args:
        pretrained: weights of the pretrained network that the trial started from.
    """
    network = STRATEGIES[factors.strategy].rebuild(
        factors, settings.network, pretrained=pretrained, classes=len(settings.classes)
    )
    network.load_state_dict(outcome.weights, strict=False)
    return network


def _compute_here(training: TrainingSettings, settings: Settings) -> Compute:
    device = device_here()
    patches = [settings.training.patch, settings.pretraining.patch]
    return Compute(precision=resolve_precision(training.precision, device, patches), device=device.kind)


def _run(experiment: AnyExperiment) -> Outcome:
    while not experiment.finished:
        experiment.run_epoch()
    return experiment.score()


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
        pretrained: weights of the pretrained network, for strategies that start from it.

    Raises:
        InputError: the strategy cannot be done with these settings or these layers, or the network does not
            fit.
    """
    check_network(settings)
    strategy = STRATEGIES[factors.strategy]
    if misfit := strategy.misfit(settings) or strategy.refusal(
        factors.tuned_layers, settings.network.architecture
    ):
        raise InputError(misfit)
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
    """Make the experiment that trains a network to start from, by the path of every trial (Sec. 3.5).

    Args:
        training: names of the T1 patients to train on.
        validation: names of those that choose the best weights.

    Raises:
        InputError: the network does not fit the settings.
    """
    check_network(settings)
    scans = Scans.of(SOURCE, Roles(tuple(training), tuple(validation), ()), subjects)
    # A recipe has no cohort: the scans know their classes.
    (classes,) = set(scans.classes)
    return Experiment(
        build_network(settings.network, classes=len(classes), seed=torch_seed(seed, "initial weights")),
        {SOURCE: scans},
        settings.pretraining,
        EvaluationSettings(surface_distances=False),
        learning_rate=None,
        seed=seed,
        compute=compute,
        sliding=settings.preparation.slices == "sliding",
    )
