"""The key of a trial: the hash of all that changes its result, and of nothing else."""

from dataclasses import asdict

from ablation.plan.digest import digest_of
from ablation.plan.study import Study
from ablation.space.points import Point
from t1t2core.cohort.split import FoldSplit, Roles
from t1t2core.preparation.prepare import PREPARATION_VERSION
from t1t2core.strategies import STRATEGIES
from t1t2core.version import SCIENCE_VERSION


def key_of(point: Point, split: FoldSplit, study: Study, encoder: str | None) -> str:
    """Hash what the trial computes: not where, when, by how many workers or under what name."""
    settings, strategy = study.settings, STRATEGIES[point.strategy]
    training_patients = [] if point.t2_train_size is None else split.t2_training(point.t2_train_size)
    return digest_of(
        {
            "science": SCIENCE_VERSION,
            "factors": asdict(point),
            "t2": {**_scored(split.t2), "training": training_patients},
            "t1": _scored(split.t1) if strategy.scored_on_t1 else None,
            "t1_training": sorted(split.t1.training) if strategy.trains_on_t1 else None,
            "training": strategy.counted_training(point, settings),
            "network": asdict(strategy.counted_network(settings.network)),
            "preparation": asdict(settings.preparation),
            "preparation_version": PREPARATION_VERSION,
            "evaluation": {"surface_distances": settings.evaluation.surface_distances},
            "precision": study.precision,
            "cohort": study.cohort_fingerprint,
            "encoder": encoder,
        }
    )


def _scored(roles: Roles) -> dict[str, list[str]]:
    return {"validation": sorted(roles.validation), "test": sorted(roles.test)}
