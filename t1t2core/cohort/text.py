"""Text files that a user wrote: whatever the name stands for, reading ends and fills no memory."""

import codecs
import shlex
from pathlib import Path

from t1t2core.errors import InputError

_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # begins with the mark of UTF-16
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Byte-order marks, as spreadsheets and editors put them in front, and the encodings that they stand for."""

MOST_POINTER_BYTES = 32_768
"""Of a file that only points to its content (git-annex; those of Git LFS are shorter)."""

_ANNEX, _LFS = b"/annex/objects/", b"version https://git-lfs.github.com/spec/"
"""What a pointer of git-annex and one of Git LFS begins with."""


def is_there(path: Path) -> bool:
    """Tell whether there is a file or folder, no link to nothing, pipe or device; any name may be asked."""
    try:
        return path.is_file() or path.is_dir()
    except (OSError, ValueError):
        # Too long a name, a folder that may not be searched, characters that no file's name can have.
        return False


def unfetched(path: Path) -> str:
    """Say what to do where only a link or a pointer to a file's content is here, as after `datalad clone`.

    Returns:
        What the path is and the command that fetches its content; empty for anything else.
    """
    try:
        if path.is_file():
            return _pointed(path) if path.stat().st_size <= MOST_POINTER_BYTES else ""
        if path.exists():
            return ""
        lost = [link for link in (path, *path.parents) if link.is_symlink() and _is_broken(link)]
    except (OSError, ValueError):
        return ""
    return f"a link to nothing: {_get(lost[-1])}" if lost else ""


def _is_broken(link: Path) -> bool:
    """Tell whether its target is not there; a link in a circle raises OSError."""
    try:
        link.stat()
    except FileNotFoundError:
        return True
    return False


def _pointed(file: Path) -> str:
    """Say what to do where a small file is a pointer."""
    with file.open("rb") as stream:
        start = stream.read(len(_LFS))
    if start.startswith(_ANNEX):
        return f"a pointer of git-annex: {_get(file)}"
    return "a pointer of Git LFS: run `git lfs pull`" if start == _LFS else ""


def _get(path: Path) -> str:
    return f"run `datalad get {shlex.quote(str(path))}` (or `git annex get`)"


def read_text(path: Path, *, most_bytes: int) -> str:
    """The content of a file in UTF-8, or in the encoding that its byte-order mark says.

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
    encoding = next((name for mark, name in _MARKS.items() if content.startswith(mark)), "utf-8")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise InputError(
            f"no text in {encoding.removesuffix('-sig').upper()} ({error}); save it as UTF-8"
        ) from None
