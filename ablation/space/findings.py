"""What is wrong with a search space, a line for each finding."""

import re
import reprlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError

from ablation.space.factors import DEFAULTS, NAME_OF_KEY, RANGE
from ablation.space.ranges import Range
from ablation.space.schema import ALLOWED, FACTOR_KEYS, KEYS_IN, WORDS, SpaceFile
from ablation.space.variation import GROUPS
from t1t2core.errors import InputError
from t1t2core.strategies import STRATEGIES, StrategyName

MOST_FINDINGS = 50
"""Lines of a message; what is wrong beyond them is counted."""

LONGEST_KEY = 60
"""Characters of a key that messages show."""

_NAMES = get_args(StrategyName)


def refusal(path: Path, findings: list[str]) -> InputError:
    """Make one error of all findings."""
    different = list(dict.fromkeys(findings))
    more = [f"and {len(different) - MOST_FINDINGS} more"] if len(different) > MOST_FINDINGS else []
    return InputError.collect(f"search space {path} cannot be used:", different[:MOST_FINDINGS] + more)


def uses(strategy: StrategyName, key: str) -> bool:
    """Return whether a factor, by its key in the file, or a setting counts for a strategy."""
    return STRATEGIES[strategy].counts(NAME_OF_KEY.get(key, key))


def unsampled(file: SpaceFile, arms: Sequence[Any], own_settings: Sequence[Collection[str]]) -> list[str]:
    """Find each range of a grid, which cannot take all of its values.

    Args:
        own_settings: names of those that stand in each arm itself, not at the top.
    """
    if file.search.samples:
        return []
    told = (
        "a range, of which grid cannot try every value; allowed: a list, or `search: "
        "{method: optuna, trials: 21}`"
    )
    factors = [
        f"{f'arms[{index}].{key}' if getattr(own, key) else key}: {told}"
        for index, (own, arm) in enumerate(zip(file.arms, arms, strict=True))
        for key in FACTOR_KEYS
        if isinstance(getattr(arm, key), Range)
    ]
    settings = [
        f"{f'arms[{index}].{name}' if name in own else name}: {told}"
        for index, (own, arm) in enumerate(zip(own_settings, arms, strict=True))
        for name, values in arm.settings.items()
        if isinstance(values, Range)
    ]
    return factors + settings


def repeated(file: SpaceFile) -> list[str]:
    """Find each value that a list of a factor has twice, also where it is written in two ways."""
    levels = {"": file, **{f"arms[{index}].": arm for index, arm in enumerate(file.arms)}}
    return [
        f"{place}{key}: {value} is there twice; leave one out"
        for place, level in levels.items()
        for key in FACTOR_KEYS
        if isinstance(values := getattr(level, key), tuple)
        for value in dict.fromkeys(values)
        if values.count(value) > 1
    ]


def misfits(schema: TypeAdapter[Any], document: dict[str, Any]) -> list[str]:
    """Find each key and value that the schema refuses."""
    try:
        schema.validate_python(document)
    except ValidationError as error:
        found = [
            (item["loc"], item["type"], item["ctx"]["error"] if _is_range(item) else item["input"])
            for item in error.errors(include_url=False)
        ]
    else:
        return []
    if any(loc == ("search", "method") for loc, _, _ in found):
        # The other keys of the search belong to the method that does not exist.
        found = [item for item in found if item[0][0] != "search" or item[0] == ("search", "method")]
    return [_describe(loc, kind, value, document) for loc, kind, value in found]


def _is_range(error: Mapping[str, Any]) -> bool:
    """Return whether a finding is about a range, which tells itself what is wrong with it."""
    return bool(error["type"] == "value_error" and error["loc"][-1] == RANGE)


def _describe(loc: tuple[int | str, ...], kind: str, value: Any, document: dict[str, Any]) -> str:
    if loc[-1] == "[key]":
        return f"{_place(loc[:-1], document)}: a key that is not text; allowed: text, in quotes if need be"
    if kind == "value_error" and loc[-1] == RANGE:
        return f"{_place(loc[:-1], document)}: {value}"
    place = _place(loc, document)
    if kind in ("extra_forbidden", "invalid_key"):
        inside = [part for part in loc[:-1] if part in KEYS_IN]
        keys = KEYS_IN[str(inside[-1]) if inside else ""]
        return f"{place}: unknown key; allowed: {', '.join(keys)}{_nearest(loc[-1], keys)}"
    if kind == "missing":
        return f"{place}: missing; allowed: {ALLOWED[str(loc[-1])]}"
    names = [part for part in loc if isinstance(part, str)]
    if names[0] in GROUPS and len(loc) > 1:
        allowed = "names with texts, numbers, true, false, null, lists or mappings of them"
    else:
        allowed = next(ALLOWED[name] for name in reversed(names) if name in ALLOWED)
    return f"{place}: found {reprlib.repr(value)}; allowed: {allowed}{_nearest(value, _words_of(names))}"


def _words_of(names: list[str]) -> tuple[str, ...]:
    return next((WORDS[name] for name in reversed(names) if name in WORDS), ())


def _nearest(word: Any, names: Iterable[str]) -> str:
    """A question that offers the name most like the word, or nothing."""
    if not isinstance(word, str):
        return ""
    matches = get_close_matches(re.sub(r"[\s-]", "_", word.lower()), names, n=1)
    return f"; did you mean {matches[0]}?" if matches else ""


def _place(loc: tuple[int | str, ...], document: Any) -> str:
    """The keys and indices that lead to a value, as the file has them: without those that pydantic adds."""
    place = ""
    absent = loc[-1] if isinstance(loc[-1], str) else None
    for part in loc:
        if isinstance(document, list) and isinstance(part, int):
            place += f"[{part}]"
            document = document[part]
        elif isinstance(document, dict) and (part in document or part == absent):
            place += f".{_shown(part)}" if place else _shown(part)
            document = document.get(part)
    return place


def _shown(key: object) -> str:
    """A key as messages have it: a text as it is, if that can be printed on a line."""
    if isinstance(key, str) and len(key) <= LONGEST_KEY and key.isprintable():
        return key
    return reprlib.repr(key)


def misplaced(document: dict[str, Any]) -> list[str]:
    """Find each factor that a strategy lacks or has no use for; what is not readable is passed over."""
    arms = document.get("arms")
    arms = arms if isinstance(arms, list) else []
    findings: list[str] = []
    strategies: list[Any] = []
    for index, arm in enumerate(arms):
        place = f"arms[{index}]"
        strategy: Any = arm.get("strategy", document.get("strategy")) if isinstance(arm, dict) else "unknown"
        strategies.append(strategy)
        if strategy is None:
            findings.append(f"{place}.strategy: missing; allowed: {ALLOWED['strategy']}")
        elif strategy in _NAMES:
            findings += _misused(strategy, place, arm, document)
    if arms and all(strategy in _NAMES for strategy in strategies):
        used = [key for key in FACTOR_KEYS if any(uses(strategy, key) for strategy in strategies)]
        unused = [key for key in FACTOR_KEYS if key in document and key not in used]
        findings += [f"{key}: no arm has a use for it; it is for {users(key)}" for key in unused]
    return findings


def _misused(strategy: StrategyName, place: str, arm: dict[str, Any], top: dict[str, Any]) -> list[str]:
    useless = [key for key in FACTOR_KEYS if key in arm and not uses(strategy, key)]
    lacking = [key for key in FACTOR_KEYS if uses(strategy, key) and key not in {**DEFAULTS, **arm, **top}]
    return [
        *(f"{place}.{key}: {strategy} has no use for it; it is for {users(key)}" for key in useless),
        *(f"{place}.{key}: missing, {strategy} needs it; allowed: {ALLOWED[key]}" for key in lacking),
    ]


def users(key: str) -> str:
    """Return the strategies that a factor or a setting counts for."""
    return ", ".join(name for name in _NAMES if uses(name, key))
