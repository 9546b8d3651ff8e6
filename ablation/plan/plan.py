"""The plan: every trial of a search space once, with its key."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ablation.plan.key import key_of
from ablation.plan.recipe import EncoderRecipe
from ablation.plan.study import Study
from ablation.space.points import Point
from t1t2core.cohort.split import FoldSplit
from t1t2core.strategies import STRATEGIES


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


def recipes_of(points: Iterable[Point], study: Study) -> list[EncoderRecipe]:
    """The T1 networks that these points start from, each once."""
    folds = dict.fromkeys(point.fold for point in points if STRATEGIES[point.strategy].starts_pretrained)
    return list(dict.fromkeys(study.recipe(fold) for fold in folds))


def make_plan(points: Iterable[Point], study: Study, encoders: Mapping[EncoderRecipe, str]) -> list[Trial]:
    """A trial for each point.

    Args:
        encoders: digests of the T1 networks that are there.
    """
    by_fold: dict[int, tuple[EncoderRecipe, str | None]] = {}

    def trial(point: Point) -> Trial:
        split = study.split(point.fold)
        if not STRATEGIES[point.strategy].starts_pretrained:
            return Trial(point, split, None, None, key_of(point, split, study, None))
        if point.fold not in by_fold:
            recipe = study.recipe(point.fold)
            by_fold[point.fold] = recipe, encoders.get(recipe)
        recipe, encoder = by_fold[point.fold]
        key = None if encoder is None else key_of(point, split, study, encoder)
        return Trial(point, split, recipe, encoder, key)

    return [trial(point) for point in points]
