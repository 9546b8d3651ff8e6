"""What a NIfTI file must have that image readers take on trust.

ITK reads a file that was cut short, and NaN and infinite voxels, as zeros, and a voxel size of 0 as 1 mm,
and mirrors an axis where it is negative: all would go unnoticed.
"""

import gzip
import math
import zlib
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from nibabel.nifti1 import Nifti1Header, Nifti1PairHeader
from nibabel.nifti2 import Nifti2Header, Nifti2PairHeader
from nibabel.spatialimages import HeaderDataError

_HEADERS = {348: (Nifti1Header, Nifti1PairHeader), 540: (Nifti2Header, Nifti2PairHeader)}

_PLACES = (
    *("quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z"),
    *("srow_x", "srow_y", "srow_z"),
)

MOST_VOXELS = 2**30
"""Of a scan: 4 GB as float32. A header that promises more is damaged, or the scan too large to be used."""

MOST_TRAILING_BYTES = 2**26
"""After the voxels: a small file of gzip's can hold any number of zeros."""

PART_BYTES = 2**24
"""Read at once."""


def is_nifti(path: Path) -> bool:
    """Is it a NIfTI or Analyze file by its name?"""
    return path.name.lower().removesuffix(".gz").endswith((".nii", ".hdr", ".img"))


def nifti_defect(path: Path) -> str | None:
    """What is wrong with a NIfTI file's header, length or voxels, or None.

    Reads the file once, a part at a time, which for `.gz` also checks gzip's checksum.
    """
    header_file, data_file = nifti_files(path)
    try:
        header = _read_header(header_file)
        if header is None:
            return "not a NIfTI file (its header is damaged or missing)"
        return _header_defect(header) or _data_defect(data_file, header)
    except (OSError, EOFError, zlib.error, ValueError, HeaderDataError) as error:
        return f"damaged or cut short ({error})"


def _header_defect(header: Nifti1Header) -> str | None:
    sizes = _sizes(header)
    if not 1 <= int(header["dim"][0]) <= 7 or min(sizes, default=0) < 1:
        return f"its header gives a size of {sizes} voxels"
    if math.prod(sizes) > MOST_VOXELS:
        return f"its header gives a size of {' x '.join(map(str, sizes))} voxels; at most {MOST_VOXELS:,}"
    if not all(math.isfinite(number) for name in _PLACES for number in np.ravel(header[name])):
        return "its header puts it at no place (qform or sform has numbers that are NaN or infinite)"
    try:
        header.get_data_dtype()
    except (LookupError, HeaderDataError):
        return f"its header gives a type of voxels that is unknown ({int(header['datatype'])})"
    return _spacing_defect([float(mm) for mm in header["pixdim"][1:4]])


def _data_defect(path: Path, header: Nifti1Header) -> str | None:
    dtype, count = header.get_data_dtype(), math.prod(_sizes(header))
    offset = max(int(header["vox_offset"]), 0) if math.isfinite(header["vox_offset"]) else 0
    expected = offset + count * dtype.itemsize
    broken = 0
    with _open(path) as stream:
        found = _pass_over(stream, offset)
        while offset <= found < expected and (part := stream.read(min(PART_BYTES, expected - found))):
            found += len(part)
            if dtype.kind == "f":
                voxels = np.frombuffer(part, dtype, len(part) // dtype.itemsize)
                broken += int(voxels.size - np.count_nonzero(np.isfinite(voxels)))
        if found < expected:
            return f"cut short: {found} bytes where its header promises {expected}"
        if _pass_over(stream, MOST_TRAILING_BYTES + 1) > MOST_TRAILING_BYTES:
            return f"much longer than the {expected} bytes that its header promises"
    return f"{broken} of {count} voxels are NaN or infinite" if broken else None


def _sizes(header: Nifti1Header) -> list[int]:
    return [int(size) for size in header["dim"][1 : int(header["dim"][0]) + 1]]


def _pass_over(stream: BinaryIO, most: int) -> int:
    """Reads up to `most` bytes and forgets them; gives how many there were."""
    passed = 0
    while passed < most and (part := stream.read(min(PART_BYTES, most - passed))):
        passed += len(part)
    return passed


def nifti_files(path: Path) -> tuple[Path, Path]:
    gz = ".gz" if path.name.lower().endswith(".gz") else ""
    stem = path.with_name(path.name[: len(path.name) - len(gz)])
    if stem.suffix.lower() == ".nii":
        return path, path
    return Path(f"{stem.with_suffix('.hdr')}{gz}"), Path(f"{stem.with_suffix('.img')}{gz}")


def _read_header(path: Path) -> Nifti1Header | None:
    with _open(path) as stream:
        block = stream.read(540)
    for size, (single, pair) in _HEADERS.items():
        if len(block) >= size and size in (int.from_bytes(block[:4], order) for order in ("little", "big")):
            kind = single if path.name.lower().removesuffix(".gz").endswith(".nii") else pair
            return kind(block[:size], check=False)
    return None


def _open(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path, "rb")) if path.name.lower().endswith(".gz") else path.open("rb")


def _spacing_defect(spacing: list[float]) -> str | None:
    if all(math.isfinite(mm) and mm > 0 for mm in spacing):
        return None
    return f"its header gives voxels of {' x '.join(f'{mm:g}' for mm in spacing)} mm"
