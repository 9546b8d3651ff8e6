"""MetaImage and NRRD headers: what must hold before ITK may read the file, and what they leave open.

Some headers end the process inside ITK; of a header whose voxels are missing it says that the header is.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from t1t2core.cohort.content import missing_part

HEADER_BYTES = 2**16
"""In which the header is looked for."""

MOST_AXES = 10
"""Of a MetaImage that ITK has room for."""

LONGEST_FIELD = 400
"""Characters of a field of an NRRD header: ITK has no room for the message about a longer one."""

_METAIMAGE, _NRRD = (".mha", ".mhd"), (".nrrd", ".nhdr")

_AXES = re.compile(rb"^\s*NDims\s*=\s*([^\r\n]*)", re.MULTILINE)
_FIELD = re.compile(rb"^[^#\r\n:]*:(?!=)[^\r\n]*", re.MULTILINE)
_END_OF_NRRD = re.compile(rb"\r?\n\r?\n")
_VOXEL_FILE = re.compile(rb"^\s*(?:ElementDataFile\s*=|data ?file:)[ \t]*([^\r\n]*)", re.MULTILINE)
_NUMBERED = re.compile(r"(.*%0?\d?d.*?)\s+(\d{1,9})\s+(\d{1,9})(?:\s+(\d{1,9}))?(?:\s+\d)?")

_DIRECTIONS = {
    _METAIMAGE: (re.compile(rb"^\s*(?:TransformMatrix|Orientation|Rotation)\s*=", re.MULTILINE),),
    _NRRD: (re.compile(rb"^space:", re.MULTILINE), re.compile(rb"^space directions:", re.MULTILINE)),
}
"""The fields without which a header does not say which way its axes run."""


def text_header_defect(path: Path) -> str | None:
    """Find what is wrong with the header of a MetaImage (.mha, .mhd) or NRRD (.nrrd, .nhdr), or None.

    Raises:
        OSError: it cannot be read.
    """
    if path.suffix.lower() not in (*_METAIMAGE, *_NRRD):
        return None
    header = _read_header(path)
    check = _metaimage_defect if path.suffix.lower() in _METAIMAGE else _nrrd_defect
    return check(header) or _missing_voxels(path, header)


def text_header_notes(path: Path) -> list[str]:
    """Return what is assumed of a MetaImage or NRRD because its header does not say it, a sentence each.

    Raises:
        OSError: it cannot be read.
    """
    for endings, fields in _DIRECTIONS.items():
        if path.suffix.lower() in endings and not all(field.search(_read_header(path)) for field in fields):
            return [
                "its header does not say which side is left: x is taken to run to the left, y to the back"
            ]
    return []


def _read_header(path: Path) -> bytes:
    """Read all before the voxels, or a little more."""
    with path.open("rb") as stream:
        return _END_OF_NRRD.split(stream.read(HEADER_BYTES), maxsplit=1)[0]


def _metaimage_defect(header: bytes) -> str | None:
    found = [text.strip() for text in _AXES.findall(header)]
    numbers = [int(text) if re.fullmatch(rb"[0-9]{1,9}", text) else 0 for text in found]
    if all(1 <= number <= MOST_AXES for number in numbers):
        return None
    listed = ", ".join(repr(text.decode("latin-1"))[:40] for text in found)
    return f"its header gives NDims = {listed}, where the number of axes is expected"


def _nrrd_defect(header: bytes) -> str | None:
    if header.startswith(b"NRRD") and any(len(field) > LONGEST_FIELD for field in _FIELD.findall(header)):
        return f"its header has a field of more than {LONGEST_FIELD} characters: damaged"
    return None


def _missing_voxels(path: Path, header: bytes) -> str | None:
    defects = (missing_part("voxels", path.parent / name) for name in _voxel_files(header))
    return next(filter(None, defects), None)


def _voxel_files(header: bytes) -> Iterator[str]:
    """The names of the files of a detached header: one, a numbered pattern or a list."""
    found = _VOXEL_FILE.search(header)
    named = os.fsdecode(found[1]).strip() if found else ""
    if found and re.match(r"LIST\b", named):
        yield from filter(None, map(str.strip, os.fsdecode(header[found.end() :]).splitlines()))
    elif numbers := _NUMBERED.fullmatch(named):
        pattern, first, last, step = numbers.groups(default="1")
        yield from (pattern % number for number in range(int(first), int(last) + 1, max(1, int(step))))
    elif named and named.upper() != "LOCAL":
        yield named
