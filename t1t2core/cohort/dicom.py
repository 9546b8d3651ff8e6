"""DICOM: a folder with one series, or one multi-frame file, read as one volume."""

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from t1t2core.cohort.dicom_frame import Frame, has_mark, may_be_slice, read_frames, stored_values
from t1t2core.cohort.dicom_stack import in_order
from t1t2core.cohort.shape import MOST_VOXELS
from t1t2core.cohort.text import is_there
from t1t2core.errors import InputError

MOST_FILES_BELOW = 10_000
"""In which DICOM is looked for beneath a folder without any: enough for a patient, and soon done."""


def read_series(folder: Path) -> sitk.Image:
    """Read the DICOM series in `folder`, classic or enhanced: 3D, float32, each slice rescaled by its header.

    Raises:
        InputError: no series or several, slices missing, damaged, at no place, not alike, or sheared by a
            tilted gantry.
    """
    odd = [entry.name for entry in sorted(folder.iterdir()) if not is_there(entry)]
    if odd:
        raise InputError(f"a folder in which {odd[0]} is neither file nor folder")
    files = [entry for entry in sorted(folder.iterdir()) if entry.is_file() and may_be_slice(entry)]
    frames, damaged = [], []
    for file in files:
        try:
            frames += read_frames(file)
        except InputError as error:
            damaged.append(f"{file.name} ({error})")
    if damaged:
        raise InputError(
            f"{len(damaged)} DICOM files in the folder are damaged or no slices of a volume: "
            f"{', '.join(damaged[:3])}{', ...' if len(damaged) > 3 else ''}"
        )
    if not frames:
        raise InputError(_without_series(folder))
    _check_one_series(frames)
    return _volume(frames)


def read_file(file: Path) -> sitk.Image:
    """Read one enhanced (multi-frame) DICOM file, as `read_series` does a folder.

    Raises:
        InputError: as `read_series`, or it has one slice or none.
    """
    frames = read_frames(file)
    if len(frames) < 2:
        found = "one slice" if frames else "no image (a table of contents, a report or a drawing)"
        raise InputError(f"a DICOM file with {found}: give the folder that has the slices of the series")
    return _volume(frames)


def _check_one_series(frames: Sequence[Frame]) -> None:
    series = defaultdict(list)
    for frame in frames:
        series[frame.series].append(frame)
    if len(series) > 1:
        listed = ", ".join(
            f"{own[0].description or uid} ({own[0].file.name}{f' and {len(own) - 1} more' * (len(own) > 1)})"
            for uid, own in series.items()
        )
        raise InputError(
            f"a folder with {len(series)} DICOM series, where one is expected: {listed}; give each a folder "
            "of its own"
        )


def _volume(frames: Sequence[Frame]) -> sitk.Image:
    ordered, axes, distance = in_order(frames)
    columns, rows = ordered[0].size
    if columns * rows * len(ordered) > MOST_VOXELS:
        raise InputError(f"{columns} x {rows} x {len(ordered)} voxels; at most {MOST_VOXELS:,}")
    places = defaultdict(list)
    for place, frame in enumerate(ordered):
        places[frame.file].append(place)
    voxels = np.empty((len(ordered), rows, columns), np.float32)
    for file, own in places.items():
        stored = stored_values(file)
        for place in own:
            frame = ordered[place]
            voxels[place] = stored[frame.number] * frame.slope + frame.intercept
    image = sitk.GetImageFromArray(voxels)
    image.SetOrigin(ordered[0].position)
    image.SetSpacing((*ordered[0].spacing, distance))
    image.SetDirection(axes.ravel().tolist())
    return image


def _without_series(folder: Path) -> str:
    below = sorted({str(file.parent.relative_to(folder)) for file in _dicom_below(folder)})
    if not below:
        return "a folder without a DICOM series"
    if len(below) == 1:
        return f"a folder without a DICOM series of its own: give the one beneath it, {below[0]}"
    listed = f"{', '.join(below[:5])}{', ...' if len(below) > 5 else ''}"
    return f"a folder without a DICOM series of its own: give one of the {len(below)} beneath it ({listed})"


def _dicom_below(folder: Path) -> Iterator[Path]:
    files = (Path(parent, name) for parent, _, names in os.walk(folder) for name in names)
    for file in islice(files, MOST_FILES_BELOW):
        if file.parent != folder and file.is_file() and has_mark(file):
            yield file
