"""A switch: networks compute by torch's own operations alone, which other programs know."""

from collections.abc import Iterator
from contextlib import contextmanager

_is_plain = False


@contextmanager
def plain_operations() -> Iterator[None]:
    """Leave out what is compiled or arranged for a CPU here; the results are the same but for rounding.

    Holds for the whole process.
    """
    global _is_plain
    before, _is_plain = _is_plain, True
    try:
        yield
    finally:
        _is_plain = before


def is_plain() -> bool:
    """Return whether a network is to compute so."""
    return _is_plain
