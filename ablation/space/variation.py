"""Settings in a search space: one value fixes a setting, a list of values or a range varies it."""

import re
import reprlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from ablation.space.configuration import type_of, unknown_setting
from ablation.space.ranges import Range, Scale, is_range, read_range
from t1t2core.cohort.names import did_you_mean
from t1t2core.settings import Settings
from t1t2core.strategies.base import OF_TRANSFER

GROUPS = tuple(Settings.__annotations__)
"""Keys of settings."""
Values = tuple[Any, ...] | Range
NEVER_VARIED = {
    "cohort": "it changes who is tested",
    "evaluation": "it changes by what trials are tested",
}
"""Groups of settings that are the same in all trials of a space, and why."""
FACTOR_OF_SETTING = {"training.learning_rate": "learning_rate"}
"""Settings whose values a factor has, by dotted name."""
_DOTTED = r"[A-Za-z_]\w*\.[A-Za-z_]\w*"
OFF = "none"
"""Text that stands for an empty list."""


@dataclass(frozen=True)
class GivenSetting:
    """A setting where the file has it.

    Args:
        place: such as `arms[0].training.loss`.
        name: dotted.
        value: as the file has it.
    """

    place: str
    name: str
    value: Any

    @property
    def varies(self) -> bool:
        """Whether it has a list of values, or a range of them."""
        if is_range(self.value):
            return True
        if not isinstance(self.value, list):
            return False
        return not _is_listed(self.name) or any(isinstance(x, list) or x in (None, OFF) for x in self.value)


def take_settings(
    level: Mapping[str, Any], place: str = ""
) -> tuple[dict[str, Any], list[GivenSetting], list[str]]:
    """Split what the file has at the top or in an arm into its other keys and its settings.

    Returns:
        The other keys; the settings; a line for each that is there twice, in its group and by its dotted
        name. A group that is no mapping stays among the other keys.
    """
    rest: dict[str, Any] = {}
    found: dict[str, GivenSetting] = {}
    findings = []
    before = f"{place}." if place else ""
    for key, value in level.items():
        if isinstance(key, str) and re.fullmatch(_DOTTED, key):
            given = {key: value}
        elif key in GROUPS and isinstance(value, dict) and all(isinstance(name, str) for name in value):
            given = {f"{key}.{name}": one for name, one in value.items()}
        else:
            rest[key] = value
            continue
        for name, one in given.items():
            if name in found:
                findings.append(
                    f"{before}{name}: there twice, in its group and by its dotted name; leave one out"
                )
            found[name] = GivenSetting(f"{before}{name}", name, one)
    return rest, list(found.values()), findings


def read_values(given: GivenSetting, *, in_arm: bool) -> tuple[Values, list[str]]:
    """Return the values of a setting, and a line for each that is wrong with them.

    Args:
        in_arm: it stands in an arm, where one value is for that arm alone.
    """
    group, _, name = given.name.partition(".")
    if finding := unknown_setting(group, name):
        return (), [f"{given.place}: {finding}"]
    if (given.varies or in_arm) and group in NEVER_VARIED:
        return (), [f"{given.place}: {group} settings are the same in all trials: {NEVER_VARIED[group]}"]
    if (given.varies or in_arm) and given.name in FACTOR_OF_SETTING:
        return (), [f"{given.place}: it is the factor {FACTOR_OF_SETTING[given.name]}: vary that"]
    if is_range(given.value):
        return _read_range(given)
    raw = given.value if given.varies else [given.value]
    if not raw:
        return (), [f"{given.place}: an empty list; allowed: one or more values"]
    values, findings = [], []
    for index, one in enumerate(raw):
        place = f"{given.place}[{index}]" if given.varies else given.place
        try:
            values.append(read_value(given.name, one))
        except ValidationError as error:
            findings.append(f"{place}: {_told(error, one)}")
    if not findings and (twice := _twice(values)):
        findings.append(f"{given.place}: {twice} is there twice; leave one out")
    return tuple(values), findings


def read_value(name: str, value: Any) -> Any:
    """Return one value of a setting as trials have it, from what YAML or JSON has.

    Raises:
        ValidationError: the setting cannot have it.
    """
    return _frozen(_adapter(name).validate_python(value))


def needs_own_network(name: str) -> bool:
    """Return whether each value of a setting has a pretrained network of its own."""
    group, _, setting = name.partition(".")
    return group in ("preparation", "pretraining") or (
        group == "network" and not setting.startswith(OF_TRANSFER)
    )


def shown(value: Any) -> str:
    """Return a setting's value as tables and names have it: `none` for null and for an empty list."""
    if value is None or value == ():
        return OFF
    if isinstance(value, tuple):
        return "[" + ", ".join(map(shown, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _read_range(given: GivenSetting) -> tuple[Values, list[str]]:
    kinds = _kinds(type_of(given.name))
    scales: tuple[Scale, ...] = ("int_uniform",) if int in kinds else ("log_uniform", "uniform")
    if not kinds & {int, float}:
        return (), [f"{given.place}: a range, and its values are no numbers; allowed: a list of values"]
    try:
        found: Range = read_range(given.value, scales, None)
        for end in found.ends:
            _adapter(given.name).validate_python(end)
    except ValidationError as error:
        return (), [f"{given.place}: {_told(error, given.value)}"]
    except ValueError as error:
        return (), [f"{given.place}: {error}"]
    return found, []


def _told(error: ValidationError, value: Any) -> str:
    first = error.errors(include_url=False)[0]
    words = re.findall(r"'([^']+)'", first.get("ctx", {}).get("expected", ""))
    near = did_you_mean(value, words) if isinstance(value, str) else ""
    return f"{first['msg'].removeprefix('Value error, ')} (found {reprlib.repr(value)}){near}"


def _twice(values: Iterable[Any]) -> str:
    seen: list[Any] = []
    for value in values:
        if value in seen:
            return shown(value)
        seen.append(value)
    return ""


@cache
def _adapter(name: str) -> TypeAdapter[Any]:
    """Return what checks one value of a setting, limits included."""
    group, _, setting = name.partition(".")
    kind = type(getattr(Settings(), group))
    field = next(field for field in fields(kind) if field.name == setting)
    hint: Any = Annotated[get_type_hints(kind, include_extras=True)[setting], field.default]
    return TypeAdapter(hint)


def _kinds(kind: Any) -> set[Any]:
    """Return the plain types that a type is made of."""
    return set().union(*map(_kinds, get_args(kind))) if get_args(kind) else {kind}


def _is_listed(name: str) -> bool:
    """Whether one value of a setting is a list; not if there is no such setting."""
    kind = type_of(name)
    return tuple in {get_origin(part) for part in (kind, *get_args(kind))}


def _frozen(value: Any) -> Any:
    """Return a value that can be hashed."""
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value
