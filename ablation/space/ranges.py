"""Ranges of a factor: what a search samples from where a list would name each value."""

import reprlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

Scale = Literal["log_uniform", "uniform", "int_uniform"]
ENDS = 2
DIGITS = 3
"""Significant digits of a sampled rate: more cannot be told apart, and names stay short."""


@dataclass(frozen=True)
class Range:
    """All values from `low` to `high`, both included.

    Args:
        scale: by which they are equally likely; `int_uniform` has whole numbers only.
    """

    scale: Scale
    low: float
    high: float

    @property
    def ends(self) -> tuple[Any, Any]:
        """The lowest and the highest value."""
        return self.low, self.high

    def holds(self, value: float) -> bool:
        """Return whether a value is one of its own."""
        is_whole = self.scale != "int_uniform" or float(value).is_integer()
        return is_whole and self.low <= value <= self.high

    def rounded(self, value: float) -> Any:
        """The value as trials get it: with few digits, within the range."""
        if self.scale == "int_uniform":
            return int(value)
        return min(max(float(f"{value:.{DIGITS}g}"), self.low), self.high)


def is_range(found: Any) -> bool:
    """Return whether what a file has is a range, such as `{log_uniform: [1.0e-5, 1.0e-2]}`."""
    return isinstance(found, dict) and len(found) == 1 and next(iter(found)) in get_args(Scale)


def read_range(found: Any, scales: Sequence[Scale], most: float | None) -> Any:
    """The range that a mapping such as `{log_uniform: [1.0e-5, 1.0e-2]}` means.

    Args:
        scales: that the factor may have.
        most: its highest value that is allowed, if there is one.

    Raises:
        ValueError: says what is wrong with it.
    """
    if isinstance(found, Range):
        return found
    if len(found) != 1 or next(iter(found)) not in scales:
        raise _misfit(found, "not a range of this factor", scales)
    scale, ends = next(iter(found.items()))
    if not isinstance(ends, list) or len(ends) != ENDS or not all(_is_number(end, scale) for end in ends):
        raise _misfit(found, "its ends are two numbers, the lower first", scales)
    low, high = ends
    if scale == "log_uniform" and low <= 0:
        raise _misfit(found, "a logarithmic scale does not reach zero: both ends must lie above it", scales)
    if low >= high:
        raise _misfit(found, "the range is empty: its first end must lie below its second", scales)
    if low <= 0 or (most is not None and high > most):
        raise _misfit(found, "it has values that the factor cannot have", scales)
    return Range(scale, low, high)


def _is_number(value: Any, scale: Scale) -> bool:
    kinds = int if scale == "int_uniform" else int | float
    # NaN compares with nothing.
    return isinstance(value, kinds) and not isinstance(value, bool) and abs(value) < float("inf")


def _misfit(found: Any, why: str, scales: Sequence[Scale]) -> ValueError:
    forms = " or ".join(f"{{{scale}: [LOW, HIGH]}}" for scale in scales)
    return ValueError(f"found {reprlib.repr(found)}; {why}; allowed: a list of values, or {forms}")
