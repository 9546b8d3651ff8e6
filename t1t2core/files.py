"""Writing files so that nobody ever reads half of one."""

import os
import tempfile
from pathlib import Path

UMASK = os.umask(0)
os.umask(UMASK)
"""What this process takes from the rights of new files; a temporary file starts with its owner's alone."""


def write_atomically(path: Path, content: bytes, mode: int = 0o666) -> None:
    """Writes under a temporary name in the same folder, then renames; makes the folder if need be.

    Args:
        mode: rights of the file, before what this process takes from those of new files.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        Path(temporary).chmod(mode & ~UMASK)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
