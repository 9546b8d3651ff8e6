"""A folder with one DICOM series, read as one volume."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from t1t2core.errors import InputError

_POSITION, _ORIENTATION = "0020|0032", "0020|0037"

MOST_UNEVENNESS = 0.1
"""Largest deviation of one slice distance from the median, as a share of it: beyond, slices are missing."""

MOST_SHEAR_MM = 1.0
"""Largest shift of the last slice against the first in the slice plane, mm: beyond, the gantry was tilted."""


def read_series(folder: Path) -> sitk.Image:
    """Read the DICOM series in `folder`: 3D, float32, rescaled to the units its header names.

    Raises:
        InputError: no series or several, slices missing, or sheared by a tilted gantry.
        RuntimeError: a slice cannot be read (from SimpleITK).
    """
    series = sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(folder))
    if not series:
        raise InputError("a folder without a DICOM series")
    files = {uid: sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), uid) for uid in series}
    if len(series) > 1:
        listed = ", ".join(f"{uid} ({len(names)} files)" for uid, names in files.items())
        raise InputError(f"a folder with {len(series)} DICOM series, where one is expected: {listed}")
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(files[series[0]])
    reader.SetOutputPixelType(sitk.sitkFloat32)
    reader.MetaDataDictionaryArrayUpdateOn()
    image = reader.Execute()
    _check_places(reader, len(files[series[0]]))
    return image


def _check_places(reader: sitk.ImageSeriesReader, slices: int) -> None:
    if slices < 2 or not all(reader.HasMetaDataKey(i, _POSITION) for i in range(slices)):
        return
    places = np.array([_numbers(reader.GetMetaData(i, _POSITION)) for i in range(slices)])
    rows, columns = np.reshape(_numbers(reader.GetMetaData(0, _ORIENTATION)), (2, 3))
    normal = np.cross(rows, columns)
    along = places @ normal
    shear = float(np.linalg.norm(places[-1] - places[0] - (along[-1] - along[0]) * normal))
    if shear > MOST_SHEAR_MM:
        raise InputError(
            f"its slices are sheared by {shear:.1f} mm (tilted gantry): resample it to upright slices first"
        )
    distances = np.array([abs(after - before) for before, after in pairwise(along)])
    usual = float(np.median(distances))
    worst = int(np.argmax(np.abs(distances - usual)))
    if abs(distances[worst] - usual) > MOST_UNEVENNESS * usual:
        raise InputError(
            f"slices are missing or doubled: {distances[worst]:.2f} mm from slice {worst + 1} to the next, "
            f"{usual:.2f} mm elsewhere"
        )


def _numbers(text: str) -> list[float]:
    return [float(number) for number in text.split("\\")]
