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
        recipe: of the pretrained network that its strategy starts from; None where it starts from none.
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

    def keyed(self, encoder: str | None, key: str) -> "Trial":
        """Return the same with the pretrained network that it starts from, and its key."""
        return Trial(self.point, self.split, self.settings, self.precision, self.recipe, encoder, key)


@dataclass(frozen=True)
class Trial(PlannedTrial):
    """A planned trial with all that it computes with, and so with its key.

    Args:
        encoder: digest of the pretrained network that it starts from; None where it starts from none.
        key: SHA-256 of all that changes the result.
    """

    encoder: str | None
    key: str


@dataclass(frozen=True)
class Network:
    """A pretrained network to be trained.

    Args:
        point: one that starts from it.
    """

    recipe: EncoderRecipe
    point: Point = field(compare=False)

    @property
    def key(self) -> str:
        """Return what its checkpoint is called beside those of trials."""
        return self.recipe.key


class Recipes:
    """Recipes of the pretrained networks that a study's points start from; each is made once."""

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


def networks_of(points: Iterable[Point], study: Study) -> list[Network]:
    """Return the pretrained networks that these points start from, each once."""
    recipes = Recipes(study)
    found: dict[str, Network] = {}
    for point in points:
        if STRATEGIES[point.strategy].starts_pretrained:
            recipe = recipes.of(point)
            if recipe.digest not in found:
                found[recipe.digest] = Network(recipe, point)
    return list(found.values())


def recipes_of(points: Iterable[Point], study: Study) -> list[EncoderRecipe]:
    """Return the recipes of the pretrained networks that these points start from, each once."""
    return [network.recipe for network in networks_of(points, study)]


def preparations_of(points: Iterable[Point], study: Study) -> list[PreparationSettings]:
    """Return the settings that these points need volumes of, each once."""
    return list({id(own): own for point in points if (own := study.settings_of(point).preparation)}.values())


def plan_trial(point: Point, study: Study, recipes: Recipes) -> PlannedTrial:
    """Return the trial of a point."""
    settings = study.settings_of(point)
    recipe = recipes.of(point) if STRATEGIES[point.strategy].starts_pretrained else None
    return PlannedTrial(point, study.split(point.fold), settings, study.precision_of(settings), recipe)


def with_key(trial: PlannedTrial, keys: Keys, encoder: str | None) -> Trial:
    """Return a planned trial with its key, once its pretrained network is there.

    Args:
        encoder: digest of that network; None where it starts from none.
    """
    return trial.keyed(encoder, keys.of(trial.point, trial.split, encoder))


def draft_plan(
    points: Iterable[Point], study: Study, encoders: Mapping[EncoderRecipe, str]
) -> list[PlannedTrial]:
    """Return a trial for each point, without a key where its pretrained network is not there yet.

    Points that compute the same are one trial.

    Args:
        encoders: digests of the pretrained networks that are there.
    """
    recipes, keys = Recipes(study), Keys(study)
    digests = {recipe.digest: encoder for recipe, encoder in encoders.items()}
    trials: dict[str, PlannedTrial] = {}
    for point in points:
        planned = plan_trial(point, study, recipes)
        encoder = None if planned.recipe is None else digests.get(planned.recipe.digest)
        if planned.recipe is None or encoder is not None:
            trial = with_key(planned, keys, encoder)
            trials[trial.key] = trial
        else:
            trials[keys.of(point, planned.split, planned.recipe.digest)] = planned
    return list(trials.values())


def make_plan(points: Iterable[Point], study: Study, encoders: Mapping[EncoderRecipe, str]) -> list[Trial]:
    """Return a trial for each point.

    Args:
        encoders: digests of the pretrained networks that the points start from.

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
