"""The settings of a recorded trial, from the params that MLflow keeps as text."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from t1t2core.errors import InputError
from t1t2core.settings import Settings


def read_settings(params: Mapping[str, str], *, source: str) -> Settings:
    """The settings that a trial was recorded with.

    A setting that the record does not have is newer than the record: it gets its default, which is what
    was done before it existed.

    Args:
        params: those named `GROUP.NAME` count.
        source: what messages call the record.

    Raises:
        InputError: the record has no settings, some that this version does not know, or unreadable ones.
    """
    findings: list[str] = []
    groups: dict[str, dict[str, Any]] = {group.name: {} for group in fields(Settings)}
    for name, text in params.items():
        group, dot, setting = name.partition(".")
        if not dot or group not in groups:
            continue
        kind = _types(group).get(setting)
        if kind is None:
            findings.append(f"{name}: this version has no such setting")
            continue
        try:
            groups[group][setting] = _value(text, kind)
        except ValidationError as error:
            findings.append(f"{name}: {error.errors()[0]['msg']} (found {text!r})")
    if findings:
        raise InputError.collect(f"the settings of {source} cannot be used:", findings)
    if not any(groups.values()):
        raise InputError(f"{source} has no settings among its params: it is no trial of this program")
    return TypeAdapter(Settings).validate_python(groups)


def _types(group: str) -> dict[str, Any]:
    """Type of each setting of a group, limits included."""
    return get_type_hints(type(getattr(Settings(), group)), include_extras=True)


def _value(text: str, kind: Any) -> Any:
    """The value whose text, as `str` gives it, is `text`; ValidationError if none of this type has it."""
    adapter, error = TypeAdapter(kind), None
    for reading in _readings(text):
        try:
            return adapter.validate_python(reading)
        except ValidationError as unfit:
            error = unfit
    assert error is not None
    raise error


def _readings(text: str) -> Iterator[Any]:
    """As a number, tuple, None or truth value where it is one; then as text, which `str` leaves as is."""
    try:
        reading = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        reading = text
    if not isinstance(reading, str):
        yield reading
    yield text
