"""The key of a trial: the hash of all that changes its result, and of nothing else."""

from dataclasses import asdict, replace

from ablation.plan.digest import digest_of
from ablation.plan.recipe import t1_network
from ablation.plan.study import Study
from ablation.space.space import Point
from t1t2core.cohort.split import FoldSplit, Roles
from t1t2core.preparation.prepare import PREPARATION_VERSION
from t1t2core.settings import NetworkSettings
from t1t2core.strategies import SCORED_ON_T1, TRAINS, Strategy, training_of
from t1t2core.version import SCIENCE_VERSION


def key_of(point: Point, split: FoldSplit, study: Study, encoder: str | None) -> str:
    """Hash of what the trial computes: not of where, when, by how many workers or under what name."""
    settings = study.settings
    training = asdict(training_of(point.strategy, point.fusion, settings))
    del training["learning_rate"]  # the factor's value counts
    del training["precision"]  # the resolved one counts
    for resolved in ("batch_size_of_concatenation", "hybrid_steps_factor"):
        del training[resolved]  # by `training_of`
    if point.strategy not in TRAINS:
        counting = ("patch", "stride", "batch_size") if point.t2_train_size else ("patch", "stride")
        training = {name: training[name] for name in counting}
    training_patients = [] if point.t2_train_size is None else split.t2_training(point.t2_train_size)
    return digest_of(
        {
            "science": SCIENCE_VERSION,
            "factors": asdict(point),
            "t2": {**_scored(split.t2), "training": training_patients},
            "t1": _scored(split.t1) if point.strategy in SCORED_ON_T1 else None,
            "t1_training": sorted(split.t1.training) if point.strategy == "augmented" else None,
            "training": training,
            "network": asdict(_network_of(point.strategy, settings.network)),
            "preparation": asdict(settings.preparation),
            "preparation_version": PREPARATION_VERSION,
            "evaluation": {"surface_distances": settings.evaluation.surface_distances},
            "precision": study.precision,
            "cohort": study.cohort_fingerprint,
            "encoder": encoder,
        }
    )


def _network_of(strategy: Strategy, network: NetworkSettings) -> NetworkSettings:
    """The settings that count for a strategy, the others as usual."""
    t1 = t1_network(network)
    if strategy == "hybrid":
        return replace(network, frozen_norm=t1.frozen_norm)
    if strategy == "conservative":
        return replace(t1, frozen_norm=network.frozen_norm)
    return t1


def _scored(roles: Roles) -> dict[str, list[str]]:
    return {"validation": sorted(roles.validation), "test": sorted(roles.test)}
