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
NAME = f"t1t2-numba-{os.getuid()}"
"""Of the folder, which is of one user."""
PLACES = ("/var/tmp", tempfile.gettempdir())
"""Of these the first that can be used: schedulers of clusters often give each job a TMPDIR of its own, and
compiling anew takes longer than many a job's first trial."""


@contextmanager
def kept_on_this_machine() -> Iterator[None]:
    """Numba caches functions that are decorated meanwhile in a folder of this machine, or in NUMBA_CACHE_DIR.

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
    """Find this user's folder; empty, for Numba's own choice, where somebody else could put code into it."""
    return next((str(folder) for place in PLACES if _is_ours(folder := Path(place) / NAME)), "")


def _is_ours(folder: Path) -> bool:
    """Return whether the folder, made if need be, is this user's, and nobody else can write to it."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return False
    is_closed = not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and is_closed
