"""Where compiled loops are kept."""

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numba

config: Any = numba.config


@contextmanager
def kept_on_this_machine() -> Iterator[None]:
    """What Numba is told to keep within, it keeps in a folder of this machine, unless NUMBA_CACHE_DIR is set.

    By default it writes beside the source. Where that is shared, all processes of a cluster would compile
    at once, read and replace the same files, over the network.
    """
    asked = config.CACHE_DIR
    config.CACHE_DIR = asked or _folder()
    try:
        yield
    finally:
        config.CACHE_DIR = asked


@cache
def _folder() -> str:
    """Of this user; empty, for Numba's own choice, where somebody else could put code into it."""
    user = os.getuid()
    try:
        folder = Path(tempfile.gettempdir()) / f"t1t2-numba-{user}"
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return ""
    is_ours = stat.S_ISDIR(found.st_mode) and found.st_uid == user
    return str(folder) if is_ours and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) else ""
