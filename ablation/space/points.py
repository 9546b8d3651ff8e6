"""Points of a search space: one value for every factor."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from itertools import product
from typing import Any, cast

from ablation.space.arm import Arm, values_of
from ablation.space.design import ONE_AT_A_TIME
from ablation.space.factors import BY_FOLD, NAME_OF_KEY, PRETRAINING_SEED
from ablation.space.schema import FACTOR_KEYS
from ablation.space.space import Space
from ablation.space.variation import read_value, shown
from t1t2core.network.architectures import STUDY
from t1t2core.settings import Fusion, Settings
from t1t2core.strategies import STRATEGIES, Factors, StrategyName, TunedLayers

ARCHITECTURE = "network.architecture"
"""The setting that decides which others of the network count."""


@dataclass(frozen=True, kw_only=True)
class Point(Factors):
    """One combination of factors. Points that compute the same thing are equal if made by `canonical`.

    Args:
        fold: of the cohort's split, from 1.
        pretraining_seed: of the pretrained network that its strategy starts from; None where it starts from
            none, or from one that was given.
        settings: those that the space varies, with their values, by dotted name.
    """

    fold: int
    pretraining_seed: int | None = None
    settings: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def canonical(
        cls,
        *,
        strategy: str,
        fold: int,
        tuned_layers: TunedLayers | None = None,
        fusion: Fusion | None = None,
        t2_train_size: int | None = None,
        learning_rate: float | None = None,
        seed: int | None = None,
        pretraining_seed: int | None = None,
        settings: Mapping[str, Any] | None = None,
        architecture: str = STUDY,
    ) -> "Point":
        """Return the point without each factor and setting that means nothing to its strategy or its network.

        Args:
            architecture: of the run; a point that varies it has its own.
        """
        own = (settings or {}).get(ARCHITECTURE, architecture)
        name = STRATEGIES[cast(StrategyName, strategy)].resolve(tuned_layers, own)
        given: dict[str, Any] = {
            "tuned_layers": tuned_layers,
            "fusion": fusion,
            "t2_train_size": t2_train_size,
            "learning_rate": learning_rate,
            "seed": seed,
            PRETRAINING_SEED: pretraining_seed,
        }
        used = {factor: value for factor, value in given.items() if _counts(name, factor, own)}
        varied = tuple(
            (setting, value) for setting, value in (settings or {}).items() if _counts(name, setting, own)
        )
        impose = STRATEGIES[name].impose
        settled = tuple((setting, impose(setting, value)) for setting, value in varied)
        return cls(strategy=name, fold=fold, settings=settled, **used)

    @property
    def factors(self) -> dict[str, Any]:
        """The factors of the study by name, None where one means nothing to the strategy."""
        return {name: getattr(self, name) for name in _FACTORS}

    @property
    def values(self) -> dict[str, Any]:
        """All that the point chooses, by the names that tables have; settings as they are shown."""
        varied = {name: shown(value) for name, value in self.settings}
        return {**self.factors, PRETRAINING_SEED: self.pretraining_seed, **varied}

    def to_json(self) -> str:
        """Return the point as text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Point":
        """Return the point that `to_json` wrote."""
        found = json.loads(text)
        settings = tuple((name, read_value(name, value)) for name, value in found.pop("settings"))
        return cls(**found, settings=settings)


@cache
def _counts(strategy: StrategyName, name: str, architecture: str) -> bool:
    return STRATEGIES[strategy].counts(name, architecture)


_FACTORS = tuple(f.name for f in fields(Point) if f.name not in (PRETRAINING_SEED, "settings"))


def expand(space: Space, settings: Settings, *, pretrained: bool = False) -> tuple[Point, ...]:
    """Return every canonical point of the space once, in the order of the arms and of their values.

    A range gives its two ends.

    Args:
        settings: those of the run: the learning rate of arms that name none, and what an arm has of a
            setting that other arms vary.
        pretrained: the pretrained network is given, so that its seeds mean nothing.
    """
    return tuple(
        dict.fromkeys(point for arm in space.arms for point in _points(space, arm, settings, pretrained))
    )


def pretraining_seed(given: Any, fold: int) -> int | None:
    """Return the seed of a fold's pretrained network: the one given, or with `by_fold` one of its own."""
    return fold - 1 if given == BY_FOLD else given


def setting_values(arm: Arm, name: str, settings: Settings) -> Any:
    """Return an arm's values of a setting: its own, or the one that the run has."""
    group, _, setting = name.partition(".")
    return arm.settings.get(name) or (getattr(getattr(settings, group), setting),)


def named_by_change(space: Space, settings: Settings) -> Space:
    """Return the space with arms that are named by what they change.

    Of a setting that only some arms give, the others have the value of the run: it is no part of a name.

    Args:
        settings: those of the run.
    """
    design = space.design
    if design.method == ONE_AT_A_TIME:  # its reference is in the file
        return space
    without = {
        name: arm
        for arm in space.arms
        for name in design.settings
        if name not in arm.settings and STRATEGIES[arm.strategy].counts(name)
    }
    usual = {name: shown(setting_values(arm, name, settings)[0]) for name, arm in without.items()}
    return replace(space, design=design.model_copy(update={"reference": usual}))


def _points(space: Space, arm: Arm, settings: Settings, pretrained: bool) -> Iterator[Point]:
    values = {NAME_OF_KEY[key]: values_of(getattr(arm, key) or ()) or (None,) for key in FACTOR_KEYS}
    rate = STRATEGIES[arm.strategy].learning_rate(settings)
    values["learning_rate"] = values_of(arm.learning_rate) or (rate,)
    if pretrained:
        values[PRETRAINING_SEED] = (None,)
    varied = space.design.settings
    values |= {name: values_of(setting_values(arm, name, settings)) for name in varied}
    for chosen in _combinations(space, values):
        chosen[PRETRAINING_SEED] = pretraining_seed(chosen[PRETRAINING_SEED], chosen["fold"])
        point_settings = {name: chosen.pop(name) for name in varied}
        yield Point.canonical(
            strategy=arm.strategy,
            settings=point_settings,
            architecture=settings.network.architecture,
            **chosen,
        )


def _combinations(space: Space, values: Mapping[str, tuple[Any, ...]]) -> Iterator[dict[str, Any]]:
    """All combinations of values; with one at a time only one compared factor leaves its first value."""
    if space.design.method != ONE_AT_A_TIME:
        for combination in product(*values.values()):
            yield dict(zip(values, combination, strict=True))
        return
    compared = [name for name in values if name in space.design.compared]
    reference = {name: one[:1] for name, one in values.items() if name in compared}
    changes = [{name: (other,)} for name in compared for other in values[name][1:]]
    for change in [{}, *changes]:
        for combination in product(*({**values, **reference, **change}.values())):
            yield dict(zip(values, combination, strict=True))
