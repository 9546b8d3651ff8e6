"""The plan: every trial of a search space once, with its key."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from ablation.plan.digest import digest_of
from ablation.plan.recipe import EncoderRecipe, t1_network
from ablation.space.space import Point
from t1t2core.cohort.split import FoldSplit, Roles
from t1t2core.preparation.prepare import PREPARATION_VERSION
from t1t2core.settings import NetworkSettings, Precision, Settings
from t1t2core.strategies import SCORED_ON_T1, STARTS_PRETRAINED, TRAINS, Strategy, training_of
from t1t2core.version import SCIENCE_VERSION


@dataclass(frozen=True)
class Trial:
    """One point of the space on one fold, and all that it computes with.

    Args:
        recipe: of the T1 network that its strategy starts from, or None.
        encoder: that network's digest, or None while it is not trained.
        key: SHA-256 of all that changes the result; None while `encoder` is missing.
    """

    point: Point
    split: FoldSplit
    recipe: EncoderRecipe | None
    encoder: str | None
    key: str | None

    @property
    def factors(self) -> dict[str, Any]:
        """The factors by name, None where one means nothing to the strategy."""
        return asdict(self.point)


@dataclass(frozen=True, kw_only=True)
class Study:
    """What all trials of a run have in common."""

    settings: Settings
    precision: Precision
    cohort_fingerprint: str
    splits: tuple[FoldSplit, ...]

    def split(self, fold: int) -> FoldSplit:
        """The roles in a fold."""
        return next(split for split in self.splits if split.fold == fold)

    def recipe(self, fold: int) -> EncoderRecipe:
        """Of the T1 network for a fold; folds with the same T1 roles share it."""
        t1, pretraining = self.split(fold).t1, self.settings.pretraining
        precision = self.precision if pretraining.precision == "auto" else pretraining.precision
        return EncoderRecipe(
            cohort_fingerprint=self.cohort_fingerprint,
            training=tuple(sorted(t1.training)),
            validation=tuple(sorted(t1.validation)),
            preparation=self.settings.preparation,
            network=t1_network(self.settings.network),
            pretraining=replace(
                pretraining, precision=precision, batch_size_of_concatenation=None, hybrid_steps_factor=1
            ),
            precision=precision,
            preparation_version=PREPARATION_VERSION,
            science=SCIENCE_VERSION,
        )


def recipes_of(points: Iterable[Point], study: Study) -> list[EncoderRecipe]:
    """The T1 networks that these points start from, each once."""
    folds = dict.fromkeys(point.fold for point in points if point.strategy in STARTS_PRETRAINED)
    return list(dict.fromkeys(study.recipe(fold) for fold in folds))


def make_plan(points: Iterable[Point], study: Study, encoders: Mapping[EncoderRecipe, str]) -> list[Trial]:
    """A trial for each point.

    Args:
        encoders: digests of the T1 networks that are there.
    """
    by_fold: dict[int, tuple[EncoderRecipe, str | None]] = {}

    def trial(point: Point) -> Trial:
        split = study.split(point.fold)
        if point.strategy not in STARTS_PRETRAINED:
            return Trial(point, split, None, None, _key(point, split, study, None))
        if point.fold not in by_fold:
            recipe = study.recipe(point.fold)
            by_fold[point.fold] = recipe, encoders.get(recipe)
        recipe, encoder = by_fold[point.fold]
        key = None if encoder is None else _key(point, split, study, encoder)
        return Trial(point, split, recipe, encoder, key)

    return [trial(point) for point in points]


def _key(point: Point, split: FoldSplit, study: Study, encoder: str | None) -> str:
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
