"""What a MetaImage or NRRD file must have before ITK may read it: some headers end the process there."""

import re
from pathlib import Path

HEADER_BYTES = 2**16
"""In which the header is looked for."""

MOST_AXES = 10
"""Of a MetaImage that ITK has room for."""

LONGEST_FIELD = 400
"""Characters of a field of an NRRD header: ITK has no room for the message about a longer one."""

_AXES = re.compile(rb"^\s*NDims\s*=\s*([^\r\n]*)", re.MULTILINE)
_FIELD = re.compile(rb"^[^#\r\n:]*:(?!=)[^\r\n]*", re.MULTILINE)
_END_OF_NRRD = re.compile(rb"\r?\n\r?\n")


def text_header_defect(path: Path) -> str | None:
    """What is wrong with the header of a MetaImage (.mha, .mhd) or NRRD (.nrrd, .nhdr), or None.

    Raises:
        OSError: it cannot be read.
    """
    check = {".mha": _metaimage, ".mhd": _metaimage, ".nrrd": _nrrd, ".nhdr": _nrrd}.get(path.suffix.lower())
    if check is None:
        return None
    with path.open("rb") as stream:
        return check(stream.read(HEADER_BYTES))


def _metaimage(content: bytes) -> str | None:
    found = [text.strip() for text in _AXES.findall(content)]
    numbers = [int(text) if re.fullmatch(rb"[0-9]{1,9}", text) else 0 for text in found]
    if all(1 <= number <= MOST_AXES for number in numbers):
        return None
    listed = ", ".join(repr(text.decode("latin-1"))[:40] for text in found)
    return f"its header gives NDims = {listed}, where the number of axes is expected"


def _nrrd(content: bytes) -> str | None:
    header = _END_OF_NRRD.split(content, maxsplit=1)[0]
    if header.startswith(b"NRRD") and any(len(field) > LONGEST_FIELD for field in _FIELD.findall(header)):
        return f"its header has a field of more than {LONGEST_FIELD} characters: damaged"
    return None
