"""A trial's settings in the record: a JSON file to read them back from, params to look at and search by."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
from functools import cache
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from ablation.space.variation import shown
from t1t2core.errors import InputError
from t1t2core.settings import Settings
from t1t2core.settings.classes import Classes

SETTINGS_FILE = "settings.json"
"""Artifact of a finished trial: all of its settings."""

LONGEST_PARAM = 6000
"""Characters of a param that MLflow keeps; what is longer it cuts off without a word."""

SHORTENED = f"... (whole in {SETTINGS_FILE})"
"""End of a param that is shortened here."""

UNKNOWN = "this version has no such setting"
ADAPTER = TypeAdapter(Settings)


def pack_settings(settings: Settings) -> bytes:
    """Return the content of `SETTINGS_FILE`."""
    return ADAPTER.dump_json(settings, indent=1)


def as_params(settings: Settings) -> dict[str, str]:
    """Return the text of each setting by its dotted name, `GROUP.NAME`."""
    groups = asdict(settings).items()
    return {f"{group}.{name}": str(value) for group, values in groups for name, value in values.items()}


def shortened_params(settings: Settings) -> dict[str, str]:
    """As `as_params`, with what MLflow would cut off left out and `SHORTENED` in its place."""
    return {
        name: text if len(text) <= LONGEST_PARAM else text[: LONGEST_PARAM - len(SHORTENED)] + SHORTENED
        for name, text in as_params(settings).items()
    }


def read_settings(content: bytes | None, params: Mapping[str, str], *, source: str) -> Settings:
    """Return the settings that a trial was recorded with.

    A setting that the record does not have is newer than the record: it gets its default, which is what
    was done before it existed.

    Args:
        content: of the trial's `SETTINGS_FILE`; None for a record older than that file, whose params are
            read in its place.
        params: those named `GROUP.NAME` count.
        source: what messages call the record.

    Raises:
        InputError: the record has no settings, some that this version does not know, or unreadable ones.
    """
    if content is None:
        return _from_params(params, source)
    try:
        return ADAPTER.validate_json(content)
    except ValidationError as error:
        findings = [_finding(one["loc"], one["type"], one["msg"], one["input"]) for one in error.errors()]
        raise InputError.collect(f"the settings of {source} cannot be used:", findings) from error


def recorded_classes(params: Mapping[str, str]) -> Classes:
    """Return the classes that a trial was scored on, from its params."""
    own = {
        name: _value(params[f"cohort.{name}"], _types("cohort")[name])
        for name in ("classes", "background", "others")
        if f"cohort.{name}" in params
    }
    return Classes.of(own.get("classes"), background=own.get("background"), others=own.get("others"))


def setting_text(params: Mapping[str, str], name: str) -> str:
    """Return the value of a setting as tables show it, from a trial's params.

    One that the trial was recorded without is newer than the record, and had its default.

    Args:
        name: dotted.
    """
    return _DEFAULTS[name] if name not in params else _text(name, params[name])


@cache
def _text(name: str, text: str) -> str:
    group, _, setting = name.partition(".")
    return shown(_value(text, _types(group)[setting]))


def _finding(place: tuple[int | str, ...], kind: str, message: str, found: object) -> str:
    name = ".".join(str(part) for part in place)
    if kind == "unexpected_keyword_argument":
        return f"{name}: {UNKNOWN}"
    return f"{name or SETTINGS_FILE}: {message} (found {found!r})"


def _from_params(params: Mapping[str, str], source: str) -> Settings:
    """Read the settings back from their texts.

    One of the cohort's that MLflow has cut off gets its default: who took part changes nothing about a
    network that is there.
    """
    findings: list[str] = []
    groups: dict[str, dict[str, Any]] = {group.name: {} for group in fields(Settings)}
    for name, text in params.items():
        group, dot, setting = name.partition(".")
        if not dot or group not in groups:
            continue
        kind = _types(group).get(setting)
        if kind is None:
            findings.append(f"{name}: {UNKNOWN}")
        elif text.endswith(SHORTENED):
            findings.append(f"{name}: shortened, and the file {SETTINGS_FILE} that has all of it is missing")
        elif group != "cohort" or len(text) < LONGEST_PARAM:
            try:
                groups[group][setting] = _value(text, kind)
            except ValidationError as error:
                findings.append(f"{name}: {error.errors()[0]['msg']} (found {text!r})")
    if findings:
        raise InputError.collect(f"the settings of {source} cannot be used:", findings)
    if not any(groups.values()):
        raise InputError(f"{source} has no settings among its params: it is no trial of this program")
    return ADAPTER.validate_python(groups)


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


_DEFAULTS = {
    f"{group}.{name}": shown(value)
    for group, own in asdict(Settings()).items()
    for name, value in own.items()
}
