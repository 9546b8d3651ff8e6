"""What a file is by its first bytes, whatever its name says, and its content without gzip."""

import io
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from t1t2core.cohort.text import is_there, unfetched

HEAD_BYTES = 1024
"""Enough to tell any format by."""

PACKED_BYTES, UNPACKED_BYTES = 2**16, 2**24
"""Of a gzip file, at once: what is read, and the most that is unpacked."""

_GZIP, _GZIP_WINDOW = b"\x1f\x8b", 31
"""The first bytes of a gzip file, and what makes zlib expect one and check its checksum."""

_MARKS = (
    (128, b"DICM", "a DICOM file", ".dcm"),
    (344, b"n+1\0", "a NIfTI file", ".nii"),
    (344, b"ni1\0", "the header of a NIfTI pair (.hdr, .img)", ".hdr"),
    (4, b"n+2\0", "a NIfTI file", ".nii"),
    (4, b"ni2\0", "the header of a NIfTI pair (.hdr, .img)", ".hdr"),
    (0, b"\x5c\x01\0\0", "the header of an Analyze pair (.hdr, .img)", ".hdr"),
    (0, b"\0\0\x01\x5c", "the header of an Analyze pair (.hdr, .img)", ".hdr"),
    (0, b"ObjectType", "a MetaImage", ".mha"),
    (0, b"NDims", "a MetaImage", ".mha"),
    (0, b"NRRD", "an NRRD file", ".nrrd"),
    (0, b"\x89HDF", "a MINC or other HDF5 file", ".mnc"),
    (0, b"\0\0\0\x01\0\0", "an MGH file", "convert it to NIfTI with mri_convert"),
    (0, b"CDF\x01", "a MINC file of version 1", "convert it to NIfTI"),
    (0, b"PK\x03\x04", "a zip archive", "unpack it"),
    (257, b"ustar", "a tar archive", "unpack it"),
    (0, b"\x89PNG", "a picture (PNG)", "give the scan itself"),
    (0, b"\xff\xd8\xff", "a picture (JPEG)", "give the scan itself"),
)
"""Where a format has its mark, the mark, how to call such a file, and its ending or what to do with it."""

_WEB_PAGE = re.compile(rb"\s*<(?:!doctype|html|\?xml)", re.IGNORECASE)
_TEXT = re.compile(rb"[\t\r\n\x20-\x7e]+")
_ABSENT = "there is no such file or folder"


def open_unpacked(path: Path) -> BinaryIO:
    """A file's content to be read once, unpacked where it is gzipped, be its name `.gz` or not.

    As gunzip does, it reads all members and leaves out what follows them.

    Raises:
        OSError: it cannot be opened.
        EOFError, zlib.error: on reading, the file is cut short, damaged, or fails gzip's checksum.
    """
    stream = path.open("rb")
    zipped = stream.read(len(_GZIP)) == _GZIP
    stream.seek(0)
    if not zipped:
        return stream
    return cast(BinaryIO, io.BufferedReader(_Parts(stream), UNPACKED_BYTES))


def missing(path: Path) -> str | None:
    """Why there is no scan at `path`, nothing or something that only stands for one, or None.

    Raises:
        OSError: it cannot be read.
    """
    if reason := unfetched(path):
        return reason
    return None if is_there(path) else _ABSENT


def missing_part(what: str, file: Path) -> str | None:
    """Why a part of a scan, its header or its voxels, is not in the file of its own, or None.

    Raises:
        OSError: it cannot be read.
    """
    defect = missing(file)
    if defect == _ABSENT:
        return f"its {what} should be in {file.name}, which is not there: copy that file too"
    return defect and f"its {what} should be in {file.name}, but that is {defect}"


def content_of(path: Path) -> str | None:
    """Say what a file is by its content, and what to do about it; None where nothing is known.

    Raises:
        OSError, EOFError, zlib.error: it cannot be read.
    """
    with open_unpacked(path) as stream:
        head = stream.read(HEAD_BYTES)
    if not head:
        return "it is empty"
    for at, mark, what, remedy in _MARKS:
        if not head[at:].startswith(mark):
            continue
        if path.name.lower().removesuffix(".gz").endswith(remedy):
            return None
        return f"it is {what}: " + (f"rename it to end with {remedy}" if remedy[0] == "." else remedy)
    if _WEB_PAGE.match(head):
        return "it is a web page, of a download that failed maybe: download the scan again"
    if _TEXT.fullmatch(head):
        return f"it is a text that begins with {head[:30].decode('ascii')!r}"
    return None


class _Parts(io.RawIOBase):
    """The unpacked content of a gzip file."""

    def __init__(self, packed: BinaryIO) -> None:
        self._packed, self._parts, self._rest = packed, _unpack(packed), memoryview(b"")

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fills as much of the buffer as the part at hand does; 0 at the end."""
        while not self._rest:
            part = next(self._parts, None)
            if part is None:
                return 0
            self._rest = memoryview(part)
        count = min(len(buffer), len(self._rest))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        return count

    def close(self) -> None:
        """Closes the file too."""
        self._packed.close()
        super().close()


def _unpack(stream: BinaryIO) -> Iterator[bytes]:
    packed = stream.read(PACKED_BYTES)
    while packed.startswith(_GZIP):
        member = zlib.decompressobj(_GZIP_WINDOW)
        while not member.eof:
            part = member.decompress(packed, UNPACKED_BYTES)
            if not (part or packed or member.eof):
                raise EOFError("gzip's data end too early")
            yield part
            if not member.eof:
                packed = member.unconsumed_tail or stream.read(PACKED_BYTES)
        packed = member.unused_data
        if len(packed) < len(_GZIP):
            packed += stream.read(PACKED_BYTES)
