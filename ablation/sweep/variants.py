"""Checks of the settings that a space varies, together with those of the run."""

from collections.abc import Iterable, Sequence

import pandas as pd
from pydantic import ValidationError

from ablation.plan.recipe import EncoderRecipe
from ablation.plan.study import Study
from ablation.space.naming import arm_name, arm_names
from ablation.space.points import Point
from ablation.space.space import Space
from ablation.space.variation import needs_own_network, shown
from t1t2core.cohort.names import did_you_mean
from t1t2core.errors import InputError
from t1t2core.network.fits import check_network
from t1t2core.preparation.patches import patch_starts
from t1t2core.settings import Settings
from t1t2core.settings.classes import Classes
from t1t2core.strategies import STRATEGIES

MOST_NETWORKS = 100
"""Pretrained networks that a space may need: more is a slip, since each takes as long as many trials."""
MOST_FINDINGS = 20


def check_settings(settings: Settings) -> None:
    """Refuse settings whose patches do not fit their grid, or their network.

    Raises:
        InputError: says which.
    """
    for training in (settings.pretraining, settings.training):
        patch_starts(settings.preparation.grid, training.patch, training.stride)
    check_network(settings)


def check_variants(points: Iterable[Point], study: Study, source: object) -> None:
    """Refuse points whose settings do not go together, or which their strategy cannot do.

    Args:
        source: the space's file, for messages.

    Raises:
        InputError: a line for each combination that cannot be.
    """
    findings: list[str] = []
    for point in {(one.strategy, one.tuned_layers, one.settings): one for one in points}.values():
        named = _told(point.settings)
        try:
            settings = study.settings_of(point)
            check_settings(settings)
            study.precision_of(settings)
            strategy = STRATEGIES[point.strategy]
            refusal = strategy.refusal(point.tuned_layers, settings.network.architecture)
            findings += filter(None, [strategy.misfit(settings) or refusal])
        except ValidationError as error:
            findings += [f"{named}: {one['msg'].removeprefix('Value error, ')}" for one in error.errors()]
        except InputError as error:
            findings.append(f"{named}: {error}" if named else str(error))
        if len(findings) > MOST_FINDINGS:
            break
    if findings:
        raise InputError.collect(f"search space {source} cannot be used:", list(dict.fromkeys(findings)))


def _told(settings: Iterable[tuple[str, object]]) -> str:
    return ", ".join(f"{name}: {shown(value)}" for name, value in settings)


def check_overrides(space: Space, overrides: Sequence[str]) -> None:
    """Refuse to set on the command line what the space varies.

    Raises:
        InputError: says which setting.
    """
    given = {override.partition("=")[0] for override in overrides}
    if twice := [name for name in space.design.settings if name in given]:
        raise InputError.collect(
            "settings that are varied in two places:",
            [f"--set {name}: {space.source} has values of it, in its arms or at the top" for name in twice],
        )


def check_primary(points: Sequence[Point], space: Space, classes: Classes) -> None:
    """Refuse a primary comparison of arms that the space does not have, or by what is no class.

    Raises:
        InputError: names the arms and classes that there are.
    """
    primary = space.design.primary
    if primary is None:
        return
    # As objects, or a depth of 9 beside none would be 9.0.
    arms = arm_names(pd.DataFrame([point.values for point in points], dtype=object), space.design)
    there = arms.drop_duplicates().tolist()
    findings = [
        f"primary.{key}: {name!r} is no arm; there are {', '.join(there)}{did_you_mean(name, there)}"
        for key, name in (("arm", primary.arm), ("against", primary.against))
        if name not in there
    ]
    if primary.tissue not in classes.order:
        known = classes.order
        hint = did_you_mean(primary.tissue, known)
        findings.append(f"primary.class: {primary.tissue!r} is no class; there are {', '.join(known)}{hint}")
    if primary.arm == primary.against:
        findings.append("primary: arm and against are the same")
    if findings:
        raise InputError.collect(f"search space {space.source} cannot be used:", findings)


def about_features(points: Iterable[Point], study: Study) -> list[str]:
    """Return a line that names the arms whose frozen layers are computed anew in each step."""
    without = {
        arm_name(point.strategy, point.tuned_layers, point.fusion)
        for point in points
        if STRATEGIES[point.strategy].freezes and not study.settings_of(point).shares_frozen_features
    }
    if not without:
        return []
    return [
        "training.augmentation or preparation.slices: features of frozen layers are not shared by "
        f"{', '.join(sorted(without))}"
    ]


def check_given(space: Space, settings: Settings) -> None:
    """Refuse a pretrained network that is given where the space asks for several.

    Args:
        settings: those of the run.

    Raises:
        InputError: says what asks for them.
    """
    findings = [
        f"{name}: varied, and it changes the pretrained network"
        for name in space.design.settings
        if needs_own_network(name)
    ]
    findings += [
        f"{strategy}: it starts from a pretrained network of its own, with {_told(imposed)}"
        for strategy in dict.fromkeys(arm.strategy for arm in space.arms)
        if (imposed := STRATEGIES[strategy].imposed(settings))
    ]
    if any(len(arm.pretraining_seeds) > 1 for arm in space.arms):
        findings.append("pretraining_seeds: several, each of which is a pretrained network")
    if findings:
        raise InputError.collect(
            "--encoder gives one pretrained network, and the space asks for several:", findings
        )


def check_number(recipes: Sequence[EncoderRecipe], space: Space) -> None:
    """Refuse a space that needs more pretrained networks than anybody would train.

    Raises:
        InputError: says how many, and what multiplies them.
    """
    if len(recipes) <= MOST_NETWORKS:
        return
    seeds = len({recipe.seed for recipe in recipes})
    varied = [name for name in space.design.settings if needs_own_network(name)]
    causes = [f"{seeds} pretraining seeds"] if seeds > 1 else []
    causes += [f"the values of {name}" for name in varied]
    raise InputError(
        f"search space {space.source} needs {len(recipes)} pretrained networks, at most {MOST_NETWORKS}: "
        f"{' times '.join(causes) or 'one for each fold'}"
    )
