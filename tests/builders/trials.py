"""Planned trials that train on nobody."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ablation.plan.plan import PlannedTrial, Trial
from ablation.plan.recipe import EncoderRecipe
from ablation.space.points import Point
from t1t2core.cohort.roles import FoldSplit, Roles
from t1t2core.settings import Settings
from tests.builders.pretrained import RECIPE

KEY = "a key"
ROLES = Roles((), (), ())
TRIAL = Trial(
    point=Point.canonical(strategy="open", fold=1, t2_train_size=2, learning_rate=1e-3, seed=0),
    split=FoldSplit(1, t1=ROLES, t2=ROLES),
    settings=Settings(),
    precision="float32",
    recipe=None,
    encoder=None,
    key=KEY,
)


def plan(points: Sequence[Point]) -> list[Trial]:
    """A trial for each point; its key is the point in words."""
    return [
        Trial(p, FoldSplit(p.fold, t1=ROLES, t2=ROLES), Settings(), "float32", None, None, str(p))
        for p in points
    ]


def plan_on_networks(
    points: Sequence[Point], encoders: Mapping[EncoderRecipe, str]
) -> list[PlannedTrial | Trial]:
    """A trial for each point, on the pretrained network of its fold; with a key if that is there."""
    planned = [
        PlannedTrial(
            p, FoldSplit(p.fold, t1=ROLES, t2=ROLES), Settings(), "float32", replace(RECIPE, seed=p.fold)
        )
        for p in points
    ]
    return [one.keyed(d, f"{one.point} {d}") if (d := encoders.get(one.recipe)) else one for one in planned]  # type: ignore[arg-type]
