"""The frames of a DICOM file, one in a classic file and many in an enhanced one: their places and voxels."""

import math
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, BinaryIO

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom import Dataset
from pydicom.multival import MultiValue
from pydicom.pixels import pixel_array
from pydicom.pixels.utils import get_expected_length
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
)

from t1t2core.errors import InputError

# pydicom's warnings would otherwise go to standard error, between the lines of a run.
warnings.filterwarnings("ignore", module="pydicom")

_MARK, _MARK_AT = b"DICM", 128

_FIRST_GROUPS = (b"\x02\0", b"\x08\0")
"""One of which a file without the mark starts with."""

_ELEMENT_BYTES = {ImplicitVRLittleEndian: 8, ExplicitVRLittleEndian: 12, ExplicitVRBigEndian: 12}
"""Before the voxels themselves, where they are not compressed."""

_MACROS = {
    "ImagePositionPatient": "PlanePositionSequence",
    "ImageOrientationPatient": "PlaneOrientationSequence",
    "PixelSpacing": "PixelMeasuresSequence",
    "RescaleSlope": "PixelValueTransformationSequence",
    "RescaleIntercept": "PixelValueTransformationSequence",
    "StackID": "FrameContentSequence",
    "TemporalPositionIndex": "FrameContentSequence",
    "EffectiveEchoTime": "MREchoSequence",
    "DiffusionBValue": "MRDiffusionSequence",
    "ComplexImageComponent": "MRImageFrameTypeSequence",
}
"""The functional group in which an enhanced file has an attribute (PS3.3, C.7.6.16)."""

_SPACINGS = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")
"""Where a voxel size may stand; the size in the patient first."""

_TRAITS = {
    "echo time": ("EffectiveEchoTime", "EchoTime"),
    "time point": ("TemporalPositionIndex", "TemporalPositionIdentifier"),
    "b-value": ("DiffusionBValue",),
    "image type": ("ComplexImageComponent", "ImageType"),
    "acquisition": ("AcquisitionNumber",),
}
"""What tells volumes at one place apart."""

_PIXELS = (
    *("SamplesPerPixel", "NumberOfFrames", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit"),
    *("PixelRepresentation", "PixelData"),
)
"""All that decoding needs."""


@dataclass(frozen=True)
class Frame:
    """A slice of a volume.

    Args:
        file: that it is in.
        number: of the frame in its file, from 0.
        name: for messages.
        series: unique identifier of its series.
        description: of the series, by those who acquired it.
        stack: identifier of its stack in the file, empty if there is none.
        size: columns and rows.
        position: of the centre of its first voxel, mm (LPS).
        axes: unit vectors along a row and down a column, six numbers (LPS).
        spacing: of columns and of rows, mm.
        slope: of the line that makes its units of the stored values.
        intercept: of that line.
        traits: what may tell it from another frame at its place.
    """

    file: Path
    number: int
    name: str
    series: str
    description: str
    stack: str
    size: tuple[int, int]
    position: tuple[float, ...]
    axes: tuple[float, ...]
    spacing: tuple[float, ...]
    slope: float
    intercept: float
    traits: Mapping[str, str]


def has_mark(file: Path) -> bool:
    """Does it have the mark of a DICOM file?"""
    return _start(file)[_MARK_AT:] == _MARK


def may_be_slice(file: Path) -> bool:
    """Tell a DICOM file by its mark or, as old ones have none, by its first element."""
    start = _start(file)
    return start[_MARK_AT:] == _MARK or (start[:2] in _FIRST_GROUPS and start[3:4] == b"\0")


def _start(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(_MARK_AT + len(_MARK))


def read_frames(file: Path) -> list[Frame]:
    """The frames of a DICOM file, in its order; none if it is no image, such as a table of contents.

    Raises:
        InputError: damaged, cut short, in colour, or a frame has no place or no voxel size.
    """
    try:
        with file.open("rb") as stream:
            dataset = pydicom.dcmread(stream, force=True, stop_before_pixels=True)
            if not _is_image(dataset):
                return []
            _check_pixels(dataset, stream)
        return list(_frames(dataset, file))
    except InputError:
        raise
    except Exception as error:  # pydicom raises whatever it comes upon in a damaged file.
        reason = str(error).partition("\n")[0]
        raise InputError(f"its header is damaged ({reason})") from None


def stored_values(file: Path) -> np.ndarray:
    """The voxels of a DICOM file as they are stored, integers of shape (frames, rows, columns).

    Raises:
        InputError: they cannot be decoded.
    """
    how = ""
    try:
        pixels = pydicom.dcmread(file, force=True, specific_tags=list(_PIXELS))
        pixels.file_meta.TransferSyntaxUID = syntax = _transfer_syntax(pixels)
        # Whether the lowest value is shown as black is no matter.
        pixels.SamplesPerPixel, pixels.PhotometricInterpretation = 1, "MONOCHROME2"
        if syntax in _ELEMENT_BYTES:
            voxels = pixel_array(pixels, allow_excess_frames=False)
        else:
            how = f", compressed as {syntax.name}, cannot be decoded here or"
            voxels = _decompressed(pixels)
        return voxels.reshape(int(pixels.get("NumberOfFrames") or 1), pixels.Rows, pixels.Columns)
    except OSError:
        raise
    except Exception:  # pydicom raises whatever it comes upon in a damaged file.
        raise InputError(
            f"the voxels of {file.name}{how} are damaged: get the file anew, or convert it with dcm2niix"
        ) from None


def _decompressed(pixels: Dataset) -> np.ndarray:
    """The voxels by GDCM, from a copy without slope and intercept: it would apply one pair to all frames."""
    pixels.SOPClassUID = MultiFrameGrayscaleWordSecondaryCaptureImageStorage
    pixels.file_meta.MediaStorageSOPClassUID = pixels.SOPClassUID
    with NamedTemporaryFile(suffix=".dcm") as copy:
        pixels.save_as(copy)
        copy.flush()
        return sitk.GetArrayFromImage(sitk.ReadImage(copy.name, imageIO="GDCMImageIO"))


def _transfer_syntax(dataset: Dataset) -> UID:
    """How the file is written; the way in which it could be read, where it does not say."""
    given = dataset.file_meta.get("TransferSyntaxUID")
    if given is not None:
        return UID(given)
    return ImplicitVRLittleEndian if dataset.original_encoding[0] else ExplicitVRLittleEndian


def _is_image(dataset: Dataset) -> bool:
    """Tell a kind that has slices; a kind that is not known may be one."""
    kind = UID(dataset.get("SOPClassUID") or "")
    return kind.name == kind or "Image Storage" in kind.name


def _check_pixels(dataset: Dataset, stream: BinaryIO) -> None:
    """Are there all the voxels, of one value each? The stream stands before them."""
    syntax, left = _transfer_syntax(dataset), -stream.tell() + stream.seek(0, os.SEEK_END)
    if not all(dataset.get(name) for name in ("Rows", "Columns", "BitsAllocated")):
        raise InputError("no image, or its header is cut short")
    dataset.setdefault("SamplesPerPixel", 1)
    dataset.setdefault("PhotometricInterpretation", "MONOCHROME2")
    if dataset.SamplesPerPixel != 1 or not dataset.PhotometricInterpretation.startswith("MONOCHROME"):
        raise InputError(
            f"in colour ({dataset.PhotometricInterpretation}), where one value a voxel is expected"
        )
    if syntax in _ELEMENT_BYTES and left < _ELEMENT_BYTES[syntax] + get_expected_length(dataset):
        raise InputError("cut short: it ends before its last voxel")


def _frames(dataset: Dataset, file: Path) -> Iterator[Frame]:
    count = int(dataset.get("NumberOfFrames") or 1)
    shared = dataset.get("SharedFunctionalGroupsSequence") or []
    own = dataset.get("PerFrameFunctionalGroupsSequence") or []
    if count > 1 and len(own) != count:
        raise InputError(
            f"it has {count} frames and {len(own)} places (Per-Frame Functional Groups): export the series "
            "anew, as enhanced or classic DICOM with the place of each slice"
        )
    for number in range(count):
        name = file.name if count == 1 else f"frame {number + 1} of {file.name}"
        groups = [*own[number : number + 1], *shared[:1], dataset]
        yield _frame(groups, file, number, name)


def _frame(groups: Sequence[Dataset], file: Path, number: int, name: str) -> Frame:
    dataset = groups[-1]
    rows, columns = _numbers(groups, _SPACINGS, 2, name)
    if min(rows, columns) <= 0:
        raise InputError(f"{name} has voxels of {columns:g} x {rows:g} mm")
    slope, intercept = (_attribute(groups, key) for key in ("RescaleSlope", "RescaleIntercept"))
    slope, intercept = float(1 if slope is None else slope), float(0 if intercept is None else intercept)
    if slope == 0 or not math.isfinite(slope + intercept):
        raise InputError(f"{name} has a rescale slope of {slope:g} and an intercept of {intercept:g}")
    traits = {trait: _attribute(groups, *keywords) for trait, keywords in _TRAITS.items()}
    return Frame(
        file=file,
        number=number,
        name=name,
        series=str(dataset.get("SeriesInstanceUID") or ""),
        description=str(dataset.get("SeriesDescription") or ""),
        stack=str(_attribute(groups, "StackID") or ""),
        size=(int(dataset.Columns), int(dataset.Rows)),
        position=_numbers(groups, ("ImagePositionPatient",), 3, name),
        axes=_numbers(groups, ("ImageOrientationPatient",), 6, name),
        spacing=(columns, rows),
        slope=slope,
        intercept=intercept,
        traits={trait: _text(value) for trait, value in traits.items() if value is not None},
    )


def _attribute(groups: Sequence[Dataset], *keywords: str) -> Any:
    """The first of some attributes that a frame's own groups have, or those of all frames, or its file."""
    for keyword in keywords:
        macro = _MACROS.get(keyword, "")
        for group in groups:
            for item in [*(group.get(macro) or [])[:1], group]:
                if item.get(keyword) not in (None, ""):
                    return item.get(keyword)
    return None


def _numbers(groups: Sequence[Dataset], keywords: Sequence[str], count: int, name: str) -> tuple[float, ...]:
    value = _attribute(groups, *keywords)
    numbers = tuple(map(float, value)) if isinstance(value, MultiValue) else ()
    if len(numbers) != count or not all(map(math.isfinite, numbers)):
        raise InputError(
            f"{name} has {_text(value) or 'nothing'} for its {keywords[0]}, where {count} numbers are "
            "expected: it is at no place in space; export the series anew"
        )
    return numbers


def _text(value: Any) -> str:
    if value is None:
        return ""
    return "\\".join(map(str, value)) if isinstance(value, MultiValue) else str(value)
