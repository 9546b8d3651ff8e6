"""The settings of a run: a preset, the space's own over it, the command line's over both."""

import re
import reprlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from difflib import get_close_matches
from typing import Any, get_args, get_type_hints

import yaml
from pydantic import TypeAdapter, ValidationError

from ablation.space.yaml_loader import PlainLoader
from t1t2core.errors import InputError
from t1t2core.presets import PRESETS, PresetName
from t1t2core.settings import Settings

LONGEST_OVERRIDE = 500
"""Characters of an override that messages show."""

_NULLS = ("", "~", "null", "Null", "NULL")

Groups = Mapping[str, Mapping[str, Any]]


def _types() -> dict[tuple[str, str], Any]:
    """Type of each setting, without its limits, by group and name."""
    groups = {group.name: type(getattr(PRESETS["demo"], group.name)) for group in fields(Settings)}
    return {(group, name): kind for group in groups for name, kind in get_type_hints(groups[group]).items()}


def _holds_text(kind: Any) -> bool:
    return kind is str or any(_holds_text(part) for part in get_args(kind))


_TYPES = _types()
TEXT_SETTINGS = tuple(place for place, kind in _TYPES.items() if _holds_text(kind))
"""Group and name of each setting that has texts of the user's own: labels, names, files."""


def resolve_settings(preset: PresetName, space: Groups, source: str, overrides: Iterable[str]) -> Settings:
    """The preset's settings with those of the space and then `overrides` (`group.name=value`) put over them.

    Raises:
        InputError: every name that does not exist and every value that is not allowed, with its place.
    """
    groups: dict[str, dict[str, Any]] = asdict(PRESETS[preset])
    places: dict[tuple[str, str], str] = {}
    findings: list[str] = []
    given = [
        (f"{source}: {group}.{name}", group, name, value)
        for group in space
        for name, value in space[group].items()
    ]
    given += [_parse(override, findings) for override in overrides if _well_formed(override, findings)]
    for place, group, name, value in given:
        if finding := unknown_setting(group, name):
            findings.append(f"{place}: {finding}")
        else:
            groups[group][name] = value
            places[group, name] = place
    settings = _validate(groups, places, findings)
    if findings or settings is None:
        raise InputError.collect("these settings cannot be used:", findings)
    return settings


def type_of(name: str) -> Any:
    """Return the type of a setting by its dotted name, without its limits; None if there is none."""
    group, _, setting = name.partition(".")
    return _TYPES.get((group, setting))


def unknown_setting(group: str, name: str) -> str | None:
    """Return what is wrong with the name of a setting; None if there is such a setting."""
    groups = list(dict.fromkeys(group for group, _ in _TYPES))
    if group not in groups:
        return f"no such group of settings; there are {', '.join(groups)}{_nearest(group, groups)}"
    names = [own for other, own in _TYPES if other == group]
    if name not in names:
        return f"no such setting; {group} has {', '.join(names)}{_nearest(name, names)}"
    return None


def describe_settings() -> list[dict[str, str]]:
    """A row for every setting: its dotted name, type, value in each preset, and what it means."""
    rows = []
    for group in fields(Settings):
        for setting in fields(type(getattr(PRESETS["demo"], group.name))):
            groups = {str(name): getattr(preset, group.name) for name, preset in PRESETS.items()}
            values = {name: _show(getattr(values, setting.name)) for name, values in groups.items()}
            described: Any = setting.default
            rows.append(
                {
                    "setting": f"{group.name}.{setting.name}",
                    "type": _type_name(_TYPES[group.name, setting.name]),
                    **values,
                    "meaning": described.description,
                }
            )
    return rows


def _well_formed(override: str, findings: list[str]) -> bool:
    key, equals, _ = override.partition("=")
    if equals and key.count(".") == 1:
        return True
    findings.append(f"{_place(override)}: expected GROUP.NAME=VALUE, such as training.max_epochs=3")
    return False


def _place(override: str) -> str:
    return f"--set {override if len(override) <= LONGEST_OVERRIDE else reprlib.repr(override)}"


def _parse(override: str, findings: list[str]) -> tuple[str, str, str, Any]:
    key, _, text = override.partition("=")
    group, name = key.split(".")
    return _place(override), group, name, _read(text, _TYPES.get((group, name)))


def _read(text: str, kind: Any) -> Any:
    """The value that was typed: as in YAML, but a text is all that was typed unless it is in quotes."""
    is_text = _holds_text(kind)
    try:
        value = PlainLoader(text, texts=[()] if is_text else []).get_single_data()
    except yaml.YAMLError:
        return text
    is_list = isinstance(value, list | dict) and kind != str | None
    if not is_text or is_list or text.lstrip().startswith(("'", '"')):
        return value
    return None if text.strip() in _NULLS else text.strip()


def _nearest(word: str, words: Iterable[str]) -> str:
    close = get_close_matches(word, list(words), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _nearest_word(item: Mapping[str, Any]) -> str:
    """A question that offers the word most like what was found, where one of several is expected."""
    words = re.findall(r"'([^']+)'", item.get("ctx", {}).get("expected", ""))
    return _nearest(item["input"], words) if isinstance(item["input"], str) else ""


def _validate(groups: Groups, places: dict[tuple[str, str], str], findings: list[str]) -> Settings | None:
    try:
        return TypeAdapter(Settings).validate_python(groups)
    except ValidationError as error:
        for item in error.errors(include_url=False):
            group, name = (str(part) for part in (*item["loc"], "", "")[:2])
            place = places.get((group, name), f"{group}.{name}" if name else group)
            message = item["msg"].removeprefix("Value error, ")
            found = f" (found {reprlib.repr(item['input'])}){_nearest_word(item)}"
            findings.append(
                f"{place}: {message}{found}" if name else f"{place}: {message}" if place else message
            )
    return None


def _show(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, tuple):
        return "[" + ", ".join(_show(part) for part in value) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _type_name(annotation: Any) -> str:
    if annotation in (int, float, str, bool):
        return str(annotation.__name__)
    text = re.sub(r"\b(typing|collections\.abc)\.", "", str(annotation))
    return re.sub(r"Optional\[(\w+)\]", r"\1 | None", text).replace("None", "null")
