"""What a search space has at the top and in its arms: settings are told from the other keys."""

import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ablation.space.arm import Arm
from ablation.space.design import LEARNING_RATE, ONE_AT_A_TIME, Design
from ablation.space.factors import KEY_OF_NAME, NAME_OF_KEY, REPLICATED, SAMPLED
from ablation.space.findings import users, uses
from ablation.space.ranges import Range
from ablation.space.schema import ALLOWED, SpaceFile
from ablation.space.variation import GROUPS, GivenSetting, Values, read_values, shown, take_settings
from t1t2core.cohort.names import did_you_mean
from t1t2core.strategies import STRATEGIES


@dataclass(frozen=True)
class Levels:
    """The parts of a file.

    Args:
        rest: all that is no setting.
        groups: all settings at the top as the file has them, in their groups.
        fixed: of them, those with one value.
        varied: the others, by dotted name.
        of_arms: settings of each arm, by dotted name.
        findings: what is wrong with the settings.
    """

    rest: dict[str, Any]
    groups: dict[str, Any]
    fixed: dict[str, dict[str, Any]]
    varied: dict[str, Values]
    of_arms: list[dict[str, Values]]
    findings: list[str]


def read_levels(document: Mapping[str, Any]) -> Levels:
    """Tell the settings of a file from its other keys, and read those that vary."""
    rest, top, findings = take_settings(document)
    groups: dict[str, Any] = {key: rest.pop(key) for key in GROUPS if key in rest}
    fixed: dict[str, dict[str, Any]] = {}
    for one in top:
        group, _, name = one.name.partition(".")
        groups.setdefault(group, {})
        if isinstance(groups[group], dict):
            groups[group][name] = one.value
        if not one.varies:
            fixed.setdefault(group, {})[name] = one.value
    groups = {group: value for group, value in groups.items() if group in GROUPS}
    varied = _read([one for one in top if one.varies], findings, in_arm=False)
    arms = rest.get("arms")
    of_arms: list[dict[str, Values]] = []
    if isinstance(arms, list):
        rest["arms"], of_arms = _read_arms(arms, rest.get("strategy"), findings)
        strategies: list[Any] = [
            one.get("strategy", rest.get("strategy")) for one in rest["arms"] if isinstance(one, dict)
        ]
        if strategies and all(map(_is_strategy, strategies)):
            findings += [
                f"{name}: no arm has a use for it; it is for {users(name)}"
                for name in varied
                if not any(uses(strategy, name) for strategy in strategies)
            ]
    return Levels(rest, groups, fixed, varied, of_arms, findings)


def _read_arms(
    arms: Sequence[Any], strategy_of_all: Any, findings: list[str]
) -> tuple[list[Any], list[dict[str, Values]]]:
    """Return the arms without their settings, and the settings of each; add what is wrong with them."""
    plain: list[Any] = []
    settings: list[dict[str, Values]] = []
    for index, arm in enumerate(arms):
        if not isinstance(arm, dict):
            plain.append(arm)
            continue
        place = f"arms[{index}]"
        others, own, wrong = take_settings(arm, place)
        findings += wrong
        findings += [
            f"{place}.{key}: found {reprlib.repr(others.pop(key))}; allowed: {ALLOWED[key]}"
            for key in GROUPS
            if key in others
        ]
        plain.append(others)
        settings.append(_read(own, findings, in_arm=True))
        findings += _useless(others.get("strategy", strategy_of_all), own)
    return plain, settings


def _read(given: Sequence[GivenSetting], findings: list[str], *, in_arm: bool) -> dict[str, Values]:
    found = {}
    for one in given:
        values, wrong = read_values(one, in_arm=in_arm)
        findings += wrong
        if not wrong:
            found[one.name] = values
    return found


def _is_strategy(found: Any) -> bool:
    return isinstance(found, str) and found in STRATEGIES


def _useless(strategy: Any, own: Sequence[GivenSetting]) -> list[str]:
    if not _is_strategy(strategy):
        return []
    return [
        f"{one.place}: {strategy} has no use for it; it is for {users(one.name)}"
        for one in own
        if users(one.name) and not uses(strategy, one.name)
    ]


def read_design(file: SpaceFile, arms: Sequence[Arm]) -> tuple[Design, list[str]]:
    """Return the design of a file, and a line for each thing that is wrong with it."""
    settings = tuple(dict.fromkeys(name for arm in arms for name in arm.settings))
    tuned = (LEARNING_RATE,) if file.tune is None else file.tune
    findings = _untunable(tuned if file.tune else (), settings, arms)
    design = Design(
        method=file.design, settings=settings, tuned=tuned, primary=file.primary, equivalence=file.equivalence
    )
    if file.design != ONE_AT_A_TIME:
        return design, findings
    if file.search.samples:
        findings.append("design: one_at_a_time: a search samples its points; leave out design or search")
    reference: dict[str, str] = {}
    for index, arm in enumerate(arms):
        for name in design.compared:
            values = _values_in(arm, name)
            if not values:
                continue
            first = shown(values[0])
            if reference.setdefault(name, first) != first:
                place = f"arms[{index}].{KEY_OF_NAME.get(name, name)}"
                findings.append(
                    f"{place}: begins with {first}, in an arm before with {reference[name]}; one_at_a_time "
                    "has one reference: put the same value first"
                )
    return design.model_copy(update={"reference": reference}), findings


def _values_in(arm: Arm, name: str) -> tuple[Any, ...]:
    if "." in name:
        values: Any = arm.settings.get(name) or ()
    elif name == "strategy" or not uses(arm.strategy, name):
        return ()
    else:
        values = getattr(arm, KEY_OF_NAME[name]) or ()
    return () if isinstance(values, Range) else values


def _untunable(tuned: Sequence[str], settings: Sequence[str], arms: Sequence[Arm]) -> list[str]:
    """Find each factor under `tune` that cannot be tuned, or has one value in every arm."""
    findings = []
    for name in tuned:
        if (name in NAME_OF_KEY or name in REPLICATED) and NAME_OF_KEY.get(name, name) in REPLICATED:
            findings.append(f"tune: {name} is replicated: it is averaged, not chosen")
            continue
        if name not in (*SAMPLED, *settings):
            known = (*SAMPLED, *settings)
            findings.append(
                f"tune: {name} is not varied; allowed: {', '.join(known)}{did_you_mean(name, known)}"
            )
        elif name != LEARNING_RATE and all(_is_fixed(arm, name) for arm in arms):
            findings.append(f"tune: {name} is not varied: no arm has several values of it")
    return findings


def _is_fixed(arm: Arm, name: str) -> bool:
    values = arm.settings.get(name) if "." in name else getattr(arm, KEY_OF_NAME[name])
    return not isinstance(values, Range) and len(values or ()) < 2
