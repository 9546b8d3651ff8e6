"""Names of subjects and files: which are usable, which was meant, and the setting that leaves some out."""

import json
import re
from collections.abc import Collection, Iterable
from difflib import get_close_matches
from pathlib import Path

from t1t2core.errors import InputError

LONGEST_NAME = 100
"""Characters: names become parts of file names, which have at most 255."""

_SAFE = re.compile(rf"[A-Za-z0-9_-][A-Za-z0-9._-]{{,{LONGEST_NAME - 1}}}")
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?|.*\.", re.IGNORECASE)


def is_safe_name(name: str) -> bool:
    """Tell what can be a file's name anywhere: up to 100 letters, digits, `.`, `_`, `-`, no dot in front."""
    return _SAFE.fullmatch(name) is not None and not is_reserved(name)


def given_name(path: Path) -> str:
    """The name that a path was given by: a link's own, not that of what it links to."""
    return path.name if path.name not in ("", "..") else path.resolve().name


def is_reserved(name: str) -> bool:
    """Tell a name that Windows keeps for a device, or changes since it ends with a dot."""
    return _RESERVED.fullmatch(name) is not None


def did_you_mean(found: str, allowed: Iterable[str], *, cutoff: float = 0.4) -> str:
    """`; did you mean 'X'?` for the nearest of `allowed`, or nothing where none is near."""
    by_fold = {name.casefold(): name for name in allowed}
    near = get_close_matches(found.strip().casefold(), list(by_fold), n=1, cutoff=cutoff)
    return f"; did you mean {by_fold[near[0]]!r}?" if near else ""


def exclude_line(names: Iterable[str]) -> str:
    """The line of a search space that leaves these subjects out."""
    # A name such as 04, 1e5 or no is not a string in YAML unless it is quoted.
    listed = ", ".join(name if name.startswith("sub-") else json.dumps(name) for name in sorted(set(names)))
    return f"cohort: {{exclude: [{listed}]}}"


def check_excluded(exclude: Iterable[str], names: Collection[str]) -> None:
    """Refuse names under `exclude` that no subject has.

    Raises:
        InputError: names each of them and the nearest subject.
    """
    findings = [
        f"{name!r} is no subject of this cohort{did_you_mean(name, names)}"
        for name in exclude
        if name not in names
    ]
    if findings:
        raise InputError.collect("cohort.exclude names subjects that are not there:", findings)
