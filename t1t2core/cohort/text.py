"""Text files that a user wrote: whatever the name stands for, reading ends and fills no memory."""

from pathlib import Path

from t1t2core.errors import InputError


def is_there(path: Path) -> bool:
    """Is there a file or folder? Not a link to nothing, a pipe or a device; no name is too odd to ask."""
    try:
        return path.is_file() or path.is_dir()
    except (OSError, ValueError):
        # Too long a name, a folder that may not be searched, characters that no file's name can have.
        return False


def read_text(path: Path, *, most_bytes: int) -> str:
    """The content of a file in UTF-8, with or without a byte-order mark.

    Raises:
        InputError: says why not, without the file's name: it is no file, too large, or no text.
    """
    if not is_there(path):
        raise InputError("there is no such file")
    try:
        with path.open("rb") as stream:
            content = stream.read(most_bytes + 1)
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})") from None
    if len(content) > most_bytes:
        raise InputError(f"too large: more than {most_bytes:,} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"no text in UTF-8 ({error})") from None
