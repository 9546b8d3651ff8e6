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


def is_nifti(path: Path) -> bool:
    """Is it a NIfTI or Analyze file by its name?"""
    return path.name.lower().removesuffix(".gz").endswith((".nii", ".hdr", ".img"))


def nifti_defect(path: Path) -> str | None:
    """What is wrong with a NIfTI file's header, length or voxels, or None.

    Reads the file once, which for `.gz` also checks gzip's checksum.
    """
    header_file, data_file = _files(path)
    try:
        header = _read_header(header_file)
        if header is None:
            return "not a NIfTI file (its header is damaged or missing)"
        dtype = header.get_data_dtype()
        sizes = [int(size) for size in header["dim"][1 : int(header["dim"][0]) + 1]]
        offset = int(header["vox_offset"]) if math.isfinite(header["vox_offset"]) else 0
        expected = max(offset, 0) + math.prod(sizes) * dtype.itemsize
        with _open(data_file) as stream:
            content = stream.read()
    except (OSError, EOFError, zlib.error, ValueError, HeaderDataError) as error:
        return f"damaged or cut short ({error})"
    if min(sizes, default=0) < 1 or len(sizes) > 7:
        return f"its header gives a size of {sizes} voxels"
    if len(content) < expected:
        return f"cut short: {len(content)} bytes where its header promises {expected}"
    voxels = np.frombuffer(content, dtype, math.prod(sizes), max(offset, 0))
    if dtype.kind == "f" and (broken := voxels.size - np.count_nonzero(np.isfinite(voxels))):
        return f"{broken} of {voxels.size} voxels are NaN or infinite"
    return _spacing_defect([float(mm) for mm in header["pixdim"][1:4]])


def _files(path: Path) -> tuple[Path, Path]:
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
