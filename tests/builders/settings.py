"""Settings with other values than they have, and their dotted names."""

from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from typing import Any, Literal, get_args, get_origin

from t1t2core.settings import Settings
from t1t2core.settings.types import Architecture, ArchitectureName
from t1t2core.strategies.base import OF_MACHINES


def names(*groups: str) -> Iterator[tuple[str, str]]:
    """Group and name of each setting of these groups, but those of `OF_MACHINES`."""
    for group in groups:
        for field in fields(getattr(Settings(), group)):
            if field.name not in OF_MACHINES:
                yield group, field.name


def value_of(settings: Settings, name: str) -> Any:
    """The value of a setting by its dotted name."""
    group, _, setting = name.partition(".")
    return getattr(getattr(settings, group), setting)


def with_values(settings: Settings, values: Mapping[str, Any]) -> Settings:
    """The settings with these values, by dotted name."""
    groups: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        group, _, setting = name.partition(".")
        groups.setdefault(group, {})[setting] = value
    return replace(settings, **{g: replace(getattr(settings, g), **given) for g, given in groups.items()})


def other(settings: Settings, name: str) -> Any:
    """Another value that a setting may have than it has in these."""
    return others(settings, name)[0]


def others(settings: Settings, name: str) -> tuple[Any, ...]:
    """Values that a setting may have, other than the one it has in these: all where they are named."""
    group, _, setting = name.partition(".")
    own = getattr(settings, group)
    (kind,) = (field.type for field in fields(own) if field.name == setting)
    return _others(kind, getattr(own, setting))


def _others(kind: Any, value: Any) -> tuple[Any, ...]:
    if get_origin(kind) is Literal:
        return tuple(choice for choice in get_args(kind) if choice != value)
    if kind == Architecture:
        # Heads of tests are too small for Swin UNETR.
        return tuple(name for name in get_args(ArchitectureName) if name not in (value, "swin_unetr"))
    if isinstance(value, bool):
        return (not value,)
    if value == () or (isinstance(value, tuple) and isinstance(value[0], str)):
        listed, *_ = get_args(kind)  # of what it is annotated with
        lists = [(), *((choice,) for choice in get_args(get_args(listed)[0]))]
        return tuple(one for one in lists if one != value)
    if isinstance(value, tuple):
        return (tuple(part * 2 for part in value),)
    if isinstance(value, str):
        return ("bone",) if value == "mean" else (f"{value}2",)
    if isinstance(value, float):
        return (value / 2 if value else 0.5,)
    return (1 if value is None else value + 1,)
