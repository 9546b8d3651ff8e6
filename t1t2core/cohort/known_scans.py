"""Scans that were read and found sound before, so that a command need not read them again."""

import hashlib
import json
from contextlib import suppress
from pathlib import Path

from t1t2core.cohort.identity import Identity
from t1t2core.cohort.nifti import is_nifti, nifti_files
from t1t2core.errors import InputError
from t1t2core.files import write_atomically

CHECK_VERSION = 1
"""Raised by hand when scans are read or checked otherwise than before."""


class KnownScans:
    """Identities of sound scans by the content of their files, kept in a file.

    It saves time and nothing else: whatever cannot be read of it is read from the scans.

    Args:
        file: where they are kept; None keeps them in memory.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._known: dict[str, Identity] = {}
        if file is not None:
            with suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
                stored = json.loads(file.read_text(encoding="utf-8"))
                if stored["version"] == CHECK_VERSION:
                    self._known = {key: Identity(**identity) for key, identity in stored["scans"].items()}

    def find(self, key: str) -> Identity | None:
        """The identity of a scan by its `content_key`, or None."""
        return self._known.get(key)

    def add(self, found: dict[str, Identity]) -> None:
        """Keep the identities of sound scans, by their `content_key`."""
        self._known |= found
        if found and self._file is not None:
            scans = {key: vars(identity) for key, identity in self._known.items()}
            content = json.dumps({"version": CHECK_VERSION, "scans": scans}, indent=0)
            write_atomically(self._file, content.encode())


def content_key(path: Path, kind: str) -> str | None:
    """Return what names a scan's files by their content, or None where it is not known which files it has.

    A NIfTI image is its one file or its pair, a DICOM series all files of its folder. A header in another
    format may name any file for its voxels: such a scan has no key, and is read each time.

    Raises:
        InputError: a file cannot be read.
    """
    if path.is_dir():
        # Pipes, folders and links to nothing hold no voxels.
        files = sorted(file for file in path.rglob("*") if file.is_file())
    elif is_nifti(path):
        files = sorted(set(nifti_files(path)))
    else:
        return None
    digest = hashlib.sha256()
    for file in files:
        digest.update(_digest(file))
    return f"{kind} {digest.hexdigest()}"


def _digest(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").digest()
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror})") from None
