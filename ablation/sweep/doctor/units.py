"""Amounts as people read them."""


def bytes_of(number: float) -> str:
    """Return a number of bytes in GB, or in MB where it is less than one."""
    return f"{number / 1e9:.1f} GB" if number >= 1e9 else f"{number / 1e6:.0f} MB"


def seconds_of(number: float) -> str:
    """Return seconds, or milliseconds where it is less than one."""
    return f"{number:.1f} s" if number >= 1 else f"{number * 1e3:.0f} ms"
