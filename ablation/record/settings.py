"""A trial's settings in the record: params, which MLflow keeps as text, or a file if one is too long."""

import ast
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from t1t2core.errors import InputError
from t1t2core.settings import Settings

LONGEST_PARAM = 6000
"""Characters of a param that MLflow keeps; what is longer it cuts off without a word."""

SHORTENED = "... (whole in settings.json)"
"""End of a param that is shortened here."""

WHOLE_FILE = "settings.json"
"""Artifact of a trial one of whose settings is longer than a param: all of them."""


def as_params(settings: Settings) -> dict[str, str]:
    """The text of each setting by its dotted name, `GROUP.NAME`."""
    groups = asdict(settings).items()
    return {f"{group}.{name}": str(value) for group, values in groups for name, value in values.items()}


def shortened_params(settings: Settings) -> dict[str, str]:
    """As `as_params`, with what MLflow would cut off left out and `SHORTENED` in its place."""
    return {
        name: text if len(text) <= LONGEST_PARAM else text[: LONGEST_PARAM - len(SHORTENED)] + SHORTENED
        for name, text in as_params(settings).items()
    }


def whole_settings(settings: Settings) -> bytes | None:
    """Content of `WHOLE_FILE`; None where every setting is whole among the params."""
    if all(len(text) <= LONGEST_PARAM for text in as_params(settings).values()):
        return None
    return json.dumps(asdict(settings), indent=1).encode()


def is_shortened(params: Mapping[str, str]) -> bool:
    """Is one of the params not whole, so that `WHOLE_FILE` is needed to read the settings?"""
    return any(text.endswith(SHORTENED) for text in params.values())


def read_settings(params: Mapping[str, str], *, source: str, whole: bytes | None = None) -> Settings:
    """The settings that a trial was recorded with.

    A setting that the record does not have is newer than the record: it gets its default, which is what
    was done before it existed. So does one of the cohort's that MLflow has cut off: records did not always
    have `WHOLE_FILE`, and who took part changes nothing about a network that is there.

    Args:
        params: those named `GROUP.NAME` count.
        source: what messages call the record.
        whole: content of the trial's `WHOLE_FILE`, if it has one; a shortened param is read from there.

    Raises:
        InputError: the record has no settings, some that this version does not know, or unreadable ones.
    """
    findings: list[str] = []
    whole_groups = json.loads(whole) if whole else {}
    groups: dict[str, dict[str, Any]] = {group.name: {} for group in fields(Settings)}
    for name, text in params.items():
        group, dot, setting = name.partition(".")
        if not dot or group not in groups:
            continue
        kind = _types(group).get(setting)
        if kind is None:
            findings.append(f"{name}: this version has no such setting")
            continue
        if text.endswith(SHORTENED):
            if setting in whole_groups.get(group, {}):
                groups[group][setting] = whole_groups[group][setting]
            else:
                findings.append(f"{name}: shortened, and the file {WHOLE_FILE} that has all of it is missing")
            continue
        if group == "cohort" and len(text) >= LONGEST_PARAM:
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
