"""A NIfTI or Analyze file, read with all that image readers take on trust checked.

ITK reads a file that was cut short, and NaN and infinite voxels, as zeros, and a voxel size of 0 as 1 mm,
mirrors an axis where it is negative, and goes by the qform where the sform differs: all would go unnoticed.
"""

import math
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np
import SimpleITK as sitk
from nibabel.analyze import AnalyzeHeader
from nibabel.nifti1 import Nifti1Header
from nibabel.nifti2 import Nifti2Header
from nibabel.spatialimages import HeaderDataError
from nibabel.spm99analyze import Spm99AnalyzeHeader

from t1t2core.cohort.content import content_of, missing_part, open_unpacked
from t1t2core.cohort.orientation import lay, place_of
from t1t2core.cohort.shape import shape_defect
from t1t2core.cohort.text import is_there
from t1t2core.errors import InputError

RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])

MOST_TRAILING_BYTES = 2**26
"""After the voxels: a small file of gzip's can hold any number of zeros."""

PART_BYTES = 2**24
"""Read at once."""

LEAST_OFFSET = 4
"""From the end of a single file's header to its voxels, bytes."""

_ENDINGS = (".nii", ".hdr", ".img")
_HEADER_BYTES = {348: Nifti1Header, 540: Nifti2Header}
_SINGLE, _PAIR = (b"n+1", b"n+2"), (b"ni1", b"ni2")


def is_nifti(path: Path) -> bool:
    """Tell a NIfTI or Analyze file by its name."""
    return path.name.lower().removesuffix(".gz").endswith(_ENDINGS)


def read_nifti(path: Path) -> sitk.Image:
    """Read a NIfTI or Analyze file: 3D, float32, in the units that its slope and intercept give.

    The file is read once, to its end, which for gzip also checks the checksum. It may be gzipped or not,
    whatever its name says. Axes of length 1 after the third are dropped.

    Raises:
        InputError: not such a file, cut short, or without meaning; says what to do where that is known.
    """
    try:
        header = _open_header(path)
        if defect := _header_defect(header):
            raise InputError(defect)
        affine = place_of(header).affine
        voxels = _read_voxels(nifti_files(path)[1], header)
    except (OSError, EOFError, zlib.error, HeaderDataError) as error:
        raise InputError(f"damaged or cut short ({error})") from None
    image = sitk.GetImageFromArray(voxels.reshape(_sizes(header)[2::-1]))
    lay(image, RAS_TO_LPS @ affine)
    return image


def nifti_notes(path: Path) -> list[str]:
    """Say what is assumed of where a scan lies because its header does not say it, a sentence each.

    Reads the header only; a scan in another format has no notes here.
    """
    header = _header_of(path)
    return [] if header is None else list(place_of(header).notes)


def nifti_header(path: Path) -> Nifti1Header | None:
    """The header of a scan that can be read, of NIfTI-1 or NIfTI-2; None where it is in another format."""
    header = _header_of(path)
    return header if isinstance(header, Nifti1Header) else None


def nifti_files(path: Path) -> tuple[Path, Path]:
    """The file of the header and that of the voxels, by their names: one file, or a pair."""
    if _ending(path) == ".nii":
        return path, path
    return _beside(path, ".hdr"), _beside(path, ".img")


def _header_of(path: Path) -> AnalyzeHeader | None:
    if not (path.is_file() and is_nifti(path)):
        return None
    try:
        return _open_header(path)
    except InputError:  # Another format under this name.
        return None


def _open_header(path: Path) -> AnalyzeHeader:
    """The header of a single file or a pair of which nothing is missing."""
    for what, file in zip(("header", "voxels"), nifti_files(path), strict=True):
        if defect := missing_part(what, file):
            raise InputError(defect)
    file = nifti_files(path)[0]
    header = _read_header(file)
    if header is None or _is_single(header) != (_ending(file) == ".nii"):
        raise InputError(f"not a NIfTI file ({content_of(file) or 'its header is damaged or missing'})")
    return header


def _ending(path: Path) -> str:
    return Path(path.name.lower().removesuffix(".gz")).suffix


def _beside(path: Path, ending: str) -> Path:
    """The file of a pair with that ending, gzipped or not; where there is none, how it would be called."""
    stem = path.name[: path.name.lower().rindex(_ending(path))]
    names = [f"{stem}{one}" for one in (ending, f"{ending}.gz", ending.upper(), f"{ending.upper()}.GZ")]
    return next((file for name in names if is_there(file := path.with_name(name))), path.with_name(names[0]))


def _read_header(path: Path) -> AnalyzeHeader | None:
    with open_unpacked(path) as stream:
        block = stream.read(max(_HEADER_BYTES))
    for size, kind in _HEADER_BYTES.items():
        if len(block) >= size and size in (int.from_bytes(block[:4], order) for order in ("little", "big")):
            header = kind(block[:size], check=False)
            known = bytes(header["magic"])[:3] in (*_SINGLE, *_PAIR)
            return header if known or size > 348 else Spm99AnalyzeHeader(block[:size], check=False)
    return None


def _is_single(header: AnalyzeHeader) -> bool:
    return isinstance(header, Nifti1Header) and bytes(header["magic"])[:3] in _SINGLE


def _header_defect(header: AnalyzeHeader) -> str | None:
    sizes = _sizes(header)
    if not 1 <= int(header["dim"][0]) <= 7:
        return f"its header gives a size of {sizes} voxels"
    try:
        dtype = header.get_data_dtype()
    except (LookupError, HeaderDataError):
        return f"its header gives a type of voxels that is unknown ({int(header['datatype'])})"
    values = 2 if dtype.kind == "c" else len(dtype.names or ".")
    if values > 1:
        return f"{values} values a voxel (colour or vectors), where one is expected"
    if dtype.kind not in "iuf":
        return f"its header gives a type of voxels that cannot be read ({int(header['datatype'])})"
    return shape_defect(sizes) or _spacing_defect([float(mm) for mm in header["pixdim"][1:4]])


def _read_voxels(path: Path, header: AnalyzeHeader) -> np.ndarray:
    """The voxels (N), float32, in the file's order."""
    dtype, count = header.get_data_dtype(), math.prod(_sizes(header))
    offset, parts, found = _offset(header), [], 0
    expected = offset + count * dtype.itemsize
    with open_unpacked(path) as stream:
        found = _pass_over(stream, offset)
        while offset <= found < expected and (part := stream.read(min(PART_BYTES, expected - found))):
            found += len(part)
            parts.append(_scale(np.frombuffer(part, dtype, len(part) // dtype.itemsize), header))
        if found < expected:
            raise InputError(f"cut short: {found} bytes where its header promises {expected}")
        if _pass_over(stream, MOST_TRAILING_BYTES + 1) > MOST_TRAILING_BYTES:
            raise InputError(f"much longer than the {expected} bytes that its header promises")
    voxels = np.concatenate(parts)
    if broken := count - int(np.count_nonzero(np.isfinite(voxels))):
        raise InputError(f"{broken} of {count} voxels are NaN or infinite")
    return voxels


def _scale(stored: np.ndarray, header: AnalyzeHeader) -> np.ndarray:
    slope, intercept = header.get_slope_inter()
    with np.errstate(over="ignore", invalid="ignore"):  # Infinite voxels are counted.
        if slope is None:
            return stored.astype(np.float32)
        return (stored.astype(np.float64) * slope + (intercept or 0)).astype(np.float32)


def _offset(header: AnalyzeHeader) -> int:
    """Find where the voxels begin, bytes."""
    least = int(header["sizeof_hdr"]) + LEAST_OFFSET if _is_single(header) else 0
    return max(int(header["vox_offset"]), least) if math.isfinite(header["vox_offset"]) else least


def _sizes(header: AnalyzeHeader) -> list[int]:
    return [int(size) for size in header["dim"][1 : int(header["dim"][0]) + 1]]


def _pass_over(stream: BinaryIO, most: int) -> int:
    """Reads up to `most` bytes and forgets them; gives how many there were."""
    passed = 0
    while passed < most and (part := stream.read(min(PART_BYTES, most - passed))):
        passed += len(part)
    return passed


def _spacing_defect(spacing: list[float]) -> str | None:
    if all(math.isfinite(mm) and mm > 0 for mm in spacing):
        return None
    return f"its header gives voxels of {' x '.join(f'{mm:g}' for mm in spacing)} mm"
