"""A trial of the study, from its factors: the network, the scans and the experiment on them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from t1t2core.cohort.roles import FoldSplit, Roles
from t1t2core.experiment import Experiment, Scans
from t1t2core.network.base import Network
from t1t2core.network.hybrid import HybridSegmenter
from t1t2core.network.segmenter import Segmenter
from t1t2core.preparation.prepare import PreparedScan, PreparedSubject
from t1t2core.settings import EvaluationSettings, Sequence, Settings
from t1t2core.staged import StagedExperiment
from t1t2core.strategies import SCORED_ON_T1, Fusion, Strategy, TunedLayers, training_of
from t1t2core.training.compute import Compute
from t1t2core.training.norms import adapt_norms
from t1t2core.training.patch_set import PatchSet
from t1t2core.transfer import build_network

AnyExperiment = Experiment | StagedExperiment


@dataclass(frozen=True, kw_only=True)
class Factors:
    """What the study varies; None where a factor means nothing to the strategy.

    Args:
        t2_train_size: T2 training patients.
        learning_rate: initial rate (plateau) or highest (one_cycle).
    """

    strategy: Strategy
    tuned_layers: TunedLayers | None = None
    fusion: Fusion | None = None
    t2_train_size: int | None = None
    learning_rate: float | None = None
    seed: int | None = None


def make_experiment(
    factors: Factors,
    split: FoldSplit,
    subjects: Mapping[str, PreparedSubject],
    settings: Settings,
    *,
    pretrained: Mapping[str, Tensor] | None,
    compute: Compute,
) -> AnyExperiment:
    """The experiment that computes a trial.

    Args:
        split: the roles of the patients.
        subjects: by name; those that have a role are looked up.
        pretrained: weights of the T1 network, for strategies that start from it.
    """
    scans = scans_of(factors.strategy, split, factors.t2_train_size, subjects)
    seed = factors.seed or 0
    training = training_of(factors.strategy, factors.fusion, settings)
    network = build_network(
        factors.strategy,
        factors.tuned_layers,
        factors.fusion,
        settings.network,
        pretrained=pretrained,
        seed=seed,
    )
    if factors.strategy == "norm_adaptation":
        assert isinstance(network, Segmenter)
        patches = PatchSet.cut(list(scans["T2"].training.values()), training, compute.device)
        adapt_norms(network.to(compute.device), patches, training.batch_size, compute)

    def experiment(of: Network) -> Experiment:
        return Experiment(
            of,
            scans,
            training,
            settings.evaluation,
            learning_rate=factors.learning_rate,
            seed=seed,
            compute=compute,
        )

    if isinstance(network, HybridSegmenter) and settings.network.hybrid_training == "staged":
        alone = build_network("scratch", None, None, settings.network, pretrained=None, seed=seed)
        return StagedExperiment(experiment(alone), network, experiment)
    return experiment(network)


def pretraining_experiment(
    training: Iterable[str],
    validation: Iterable[str],
    subjects: Mapping[str, PreparedSubject],
    settings: Settings,
    *,
    seed: int,
    compute: Compute,
) -> Experiment:
    """The experiment that trains the T1 network from scratch (Sec. 3.5), by the same path as every trial.

    Args:
        training: names of the T1 patients to train on.
        validation: names of those that choose the best weights.
    """
    return Experiment(
        build_network("scratch", None, None, settings.network, pretrained=None, seed=seed),
        {"T1": _scans("T1", Roles(tuple(training), tuple(validation), ()), subjects)},
        settings.pretraining,
        EvaluationSettings(surface_distances=False),
        learning_rate=None,
        seed=seed,
        compute=compute,
    )


def scans_of(
    strategy: Strategy, split: FoldSplit, t2_train_size: int | None, subjects: Mapping[str, PreparedSubject]
) -> dict[Sequence, Scans]:
    """The scans that a trial of a strategy trains on, chooses by and is tested on.

    Without fine-tuning the T1 network is scored on T1 as well: what it could do before the transfer
    (Table 9, "T1-w without augmentation").
    """
    training = () if t2_train_size is None else split.t2_training(t2_train_size)
    scans: dict[Sequence, Scans] = {"T2": _scans("T2", replace(split.t2, training=training), subjects)}
    if strategy in SCORED_ON_T1:
        t1 = split.t1 if strategy == "augmented" else replace(split.t1, training=())
        scans["T1"] = _scans("T1", t1, subjects)
    return scans


def _scans(sequence: Sequence, roles: Roles, subjects: Mapping[str, PreparedSubject]) -> Scans:
    def of(names: Iterable[str]) -> dict[str, PreparedScan]:
        return {name: subjects[name].scan(sequence) for name in names}

    return Scans(of(roles.training), of(roles.validation), of(roles.test))
