"""A folder with one DICOM series, read as one volume."""

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from t1t2core.cohort.text import is_there
from t1t2core.errors import InputError

_MARK, _MARK_AT = b"DICM", 128
_POSITION, _ORIENTATION = "0020|0032", "0020|0037"

MOST_UNEVENNESS = 0.1
"""Largest deviation of one slice distance from the median, as a share of it: beyond, slices are missing."""

MOST_SHEAR_MM = 1.0
"""Largest shift of the last slice against the first in the slice plane, mm: beyond, the gantry was tilted."""

MOST_SKEW = 0.01
"""Largest deviation from 1 of the length of the slices' normal."""


def read_series(folder: Path) -> sitk.Image:
    """Read the DICOM series in `folder`: 3D, float32, rescaled to the units its header names.

    Raises:
        InputError: no series or several, slices missing, damaged, at no place, or sheared by a tilted
            gantry.
        RuntimeError: a slice cannot be read (from SimpleITK).
    """
    odd = [entry.name for entry in sorted(folder.iterdir()) if not is_there(entry)]
    if odd:
        raise InputError(f"a folder in which {odd[0]} is neither file nor folder")
    series = sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(folder))
    if not series:
        raise InputError("a folder without a DICOM series")
    files = {uid: sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), uid) for uid in series}
    if len(series) > 1:
        listed = ", ".join(f"{uid} ({len(names)} files)" for uid, names in files.items())
        raise InputError(f"a folder with {len(series)} DICOM series, where one is expected: {listed}")
    _check_whole(folder, files[series[0]])
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(files[series[0]])
    reader.SetOutputPixelType(sitk.sitkFloat32)
    reader.MetaDataDictionaryArrayUpdateOn()
    image = reader.Execute()
    _check_places(reader, len(files[series[0]]))
    return image


def _check_whole(folder: Path, slices: Sequence[str]) -> None:
    """GDCM passes over files that are cut short: a volume without its first slices would go unnoticed."""
    known = {Path(name).name for name in slices} | {"DICOMDIR"}
    others = [entry for entry in sorted(folder.iterdir()) if entry.is_file() and entry.name not in known]
    if damaged := [file.name for file in others if _is_dicom(file)]:
        raise InputError(
            f"{len(damaged)} DICOM files in the folder are damaged, cut short or no slices of the series: "
            f"{', '.join(damaged[:3])}{', ...' if len(damaged) > 3 else ''}"
        )


def _is_dicom(file: Path) -> bool:
    with file.open("rb") as stream:
        return stream.read(_MARK_AT + len(_MARK))[_MARK_AT:] == _MARK


def _check_places(reader: sitk.ImageSeriesReader, slices: int) -> None:
    if slices < 2:
        return
    places = np.array([_numbers(reader, i, _POSITION, 3) for i in range(slices)])
    rows, columns = np.reshape(_numbers(reader, 0, _ORIENTATION, 6), (2, 3))
    normal = np.cross(rows, columns)
    if abs(np.linalg.norm(normal) - 1) > MOST_SKEW:
        raise InputError("the axes of its slices are not at right angles")
    along = places @ normal
    shear = float(np.linalg.norm(places[-1] - places[0] - (along[-1] - along[0]) * normal))
    if shear > MOST_SHEAR_MM:
        raise InputError(
            f"its slices are sheared by {shear:.1f} mm (tilted gantry): resample it to upright slices first"
        )
    distances = np.array([abs(after - before) for before, after in pairwise(along)])
    usual = float(np.median(distances))
    if usual == 0:
        raise InputError("its slices lie at one place")
    worst = int(np.argmax(np.abs(distances - usual)))
    if abs(distances[worst] - usual) > MOST_UNEVENNESS * usual:
        raise InputError(
            f"slices are missing or doubled: {distances[worst]:.2f} mm from slice {worst + 1} to the next, "
            f"{usual:.2f} mm elsewhere"
        )


def _numbers(reader: sitk.ImageSeriesReader, piece: int, tag: str, count: int) -> list[float]:
    """The numbers of a tag in one slice."""
    text = reader.GetMetaData(piece, tag) if reader.HasMetaDataKey(piece, tag) else ""
    try:
        numbers = [float(number) for number in text.split("\\")]
    except ValueError:
        numbers = []
    if len(numbers) != count or not all(map(math.isfinite, numbers)):
        raise InputError(f"slice {piece + 1} has {text!r} under ({tag.replace('|', ',')}): no place in space")
    return numbers
