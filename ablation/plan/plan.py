"""The plan: every trial of a search space once."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ablation.plan.key import Keys
from ablation.plan.recipe import EncoderRecipe
from ablation.plan.study import Study
from ablation.space.points import Point
from t1t2core.cohort.split import FoldSplit
from t1t2core.settings import Precision, PreparationSettings, Settings
from t1t2core.strategies import STRATEGIES


@dataclass(frozen=True)
class PlannedTrial:
    """One point of the space on one fold; the network that it starts from may not be trained yet.

    Args:
        settings: that it is computed with.
        precision: of its arithmetic.
        recipe: of the T1 network that its strategy starts from; None where it starts from none.
    """

    point: Point
    split: FoldSplit
    settings: Settings = field(compare=False)
    precision: Precision
    recipe: EncoderRecipe | None

    @property
    def factors(self) -> dict[str, Any]:
        """The factors and varied settings by name, None where one means nothing to the strategy."""
        return self.point.values


@dataclass(frozen=True)
class Trial(PlannedTrial):
    """A planned trial with all that it computes with, and so with its key.

    Args:
        encoder: digest of the T1 network that it starts from; None where it starts from none.
        key: SHA-256 of all that changes the result.
    """

    encoder: str | None
    key: str


class Recipes:
    """Recipes of the T1 networks that a study's points start from; each is made once."""

    def __init__(self, study: Study) -> None:
        self._study = study
        self._made: dict[tuple[Any, ...], EncoderRecipe] = {}

    def of(self, point: Point) -> EncoderRecipe:
        """Return the recipe of the network that a point starts from."""
        settings, seed = self._study.settings_of(point), point.pretraining_seed or 0
        groups = settings.preparation, settings.network, settings.pretraining
        # A group is told by its identity: hashing dozens of settings would take most of the time of a plan.
        what = point.fold, seed, self._study.precision_of(settings), *map(id, groups)
        if what not in self._made:
            self._made[what] = self._study.recipe(point.fold, seed, settings)
        return self._made[what]


def recipes_of(points: Iterable[Point], study: Study) -> list[EncoderRecipe]:
    """Return the recipes of the T1 networks that these points start from, each once."""
    recipes = Recipes(study)
    starting = (point for point in points if STRATEGIES[point.strategy].starts_pretrained)
    return list(dict.fromkeys(recipes.of(point) for point in starting))


def preparations_of(points: Iterable[Point], study: Study) -> list[PreparationSettings]:
    """Return the settings that these points need volumes of, each once."""
    return list({id(own): own for point in points if (own := study.settings_of(point).preparation)}.values())


def draft_plan(
    points: Iterable[Point], study: Study, encoders: Mapping[EncoderRecipe, str]
) -> list[PlannedTrial]:
    """Return a trial for each point, without a key where its T1 network is not there yet.

    Points that compute the same are one trial.

    Args:
        encoders: digests of the T1 networks that are there.
    """
    recipes, keys = Recipes(study), Keys(study)

    def trial(point: Point) -> PlannedTrial:
        split, settings = study.split(point.fold), study.settings_of(point)
        precision = study.precision_of(settings)
        recipe = encoder = None
        if STRATEGIES[point.strategy].starts_pretrained:
            recipe = recipes.of(point)
            encoder = encoders.get(recipe)
            if encoder is None:
                return PlannedTrial(point, split, settings, precision, recipe)
        key = keys.of(point, split, encoder)
        return Trial(point, split, settings, precision, recipe, encoder, key)

    trials = {trial.key if isinstance(trial, Trial) else trial.point: trial for trial in map(trial, points)}
    return list(trials.values())


def make_plan(points: Iterable[Point], study: Study, encoders: Mapping[EncoderRecipe, str]) -> list[Trial]:
    """Return a trial for each point.

    Args:
        encoders: digests of the T1 networks that the points start from.

    Raises:
        KeyError: one of these networks is missing.
    """
    plan = draft_plan(points, study, encoders)
    keyed = [trial for trial in plan if isinstance(trial, Trial)]
    if missing := [trial.recipe for trial in plan if not isinstance(trial, Trial)]:
        raise KeyError(missing[0])
    return keyed


def is_recorded(trial: PlannedTrial, recorded: Collection[str]) -> bool:
    """Whether a trial is among those recorded; one without a key cannot be.

    Args:
        recorded: keys of trials.
    """
    return isinstance(trial, Trial) and trial.key in recorded
