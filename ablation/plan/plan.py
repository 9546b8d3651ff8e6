"""The plan: every trial of a search space once."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ablation.plan.key import key_of
from ablation.plan.recipe import EncoderRecipe
from ablation.plan.study import Study
from ablation.space.points import Point
from t1t2core.cohort.split import FoldSplit
from t1t2core.strategies import STRATEGIES


@dataclass(frozen=True)
class PlannedTrial:
    """One point of the space on one fold; the network that it starts from may not be trained yet.

    Args:
        recipe: of the T1 network that its strategy starts from; None where it starts from none.
    """

    point: Point
    split: FoldSplit
    recipe: EncoderRecipe | None

    @property
    def factors(self) -> dict[str, Any]:
        """The factors by name, None where one means nothing to the strategy."""
        return asdict(self.point)


@dataclass(frozen=True)
class Trial(PlannedTrial):
    """A planned trial with all that it computes with, and so with its key.

    Args:
        encoder: digest of the T1 network that it starts from; None where it starts from none.
        key: SHA-256 of all that changes the result.
    """

    encoder: str | None
    key: str


def recipes_of(points: Iterable[Point], study: Study) -> list[EncoderRecipe]:
    """Return the recipes of the T1 networks that these points start from, each once."""
    folds = dict.fromkeys(point.fold for point in points if STRATEGIES[point.strategy].starts_pretrained)
    return list(dict.fromkeys(study.recipe(fold) for fold in folds))


def draft_plan(
    points: Iterable[Point], study: Study, encoders: Mapping[EncoderRecipe, str]
) -> list[PlannedTrial]:
    """Return a trial for each point, without a key where its T1 network is not there yet.

    Args:
        encoders: digests of the T1 networks that are there.
    """
    by_fold: dict[int, EncoderRecipe] = {}

    def trial(point: Point) -> PlannedTrial:
        split = study.split(point.fold)
        if not STRATEGIES[point.strategy].starts_pretrained:
            return Trial(point, split, None, None, key_of(point, split, study, None))
        if point.fold not in by_fold:
            by_fold[point.fold] = study.recipe(point.fold)
        recipe = by_fold[point.fold]
        if recipe not in encoders:
            return PlannedTrial(point, split, recipe)
        encoder = encoders[recipe]
        return Trial(point, split, recipe, encoder, key_of(point, split, study, encoder))

    return [trial(point) for point in points]


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
