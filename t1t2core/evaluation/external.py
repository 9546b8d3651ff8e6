"""Scores of label maps that something else made, at the voxels and against the truth of trials."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch

from t1t2core.cohort.scan import read_labels, read_scan
from t1t2core.cohort.subject import Subject
from t1t2core.errors import InputError
from t1t2core.evaluation.attenuation import Attenuation, attenuation_of
from t1t2core.evaluation.counting import TrueLabels, deep_part
from t1t2core.evaluation.scores import Counts
from t1t2core.evaluation.surface import surface_distances
from t1t2core.preparation.anatomy import mr_anatomy
from t1t2core.preparation.grid import place_grid
from t1t2core.preparation.labels import label_from_map
from t1t2core.preparation.prepare import PreparedScan, WholeScan
from t1t2core.preparation.threads import one_thread
from t1t2core.settings import EvaluationSettings, PreparationSettings
from t1t2core.settings.classes import IGNORED, Classes

GRID_TOLERANCE_MM = 1e-2
"""By which corners of one grid may differ: headers keep four to seven digits."""


@dataclass(frozen=True)
class MapScore:
    """How a label map does in a region of a scan; the fields are those of `PatientScore`."""

    region: str
    counts: dict[str, Counts]
    surface: dict[str, dict[str, float]] | None
    attenuation: dict[str, Attenuation] | None = None


def label_map_defects(path: Path, subject: Subject, classes: Classes) -> list[str]:
    """Find why a label map cannot be scored on a subject's target scan, a sentence each.

    Args:
        classes: what its values mean.
    """
    assert subject.t2w is not None, "who is tested has the sequence"
    try:
        found, scan = read_labels(path, classes), read_scan(subject.t2w)
    except InputError as error:
        return [str(error)]
    is_near = np.allclose(_corners(found), _corners(scan), atol=GRID_TOLERANCE_MM)
    if is_near and found.GetSize() == scan.GetSize():
        return []
    return [f"{path}: not on the grid of {subject.t2w}: {_in_words(found)}; the scan's {_in_words(scan)}"]


@one_thread()
def score_label_map(
    path: Path,
    subject: Subject,
    truth: PreparedScan,
    preparation: PreparationSettings,
    evaluation: EvaluationSettings,
    classes: Classes,
) -> list[MapScore]:
    """Score a label map of a subject's target scan: in the box and, where trials are, on the whole scan.

    It is brought to the network's voxels as label maps of the truth are.

    Args:
        truth: the prepared scan.
        classes: what the values of the label map mean.

    Raises:
        InputError: a file cannot be read.
    """
    assert subject.t2w is not None, "who is tested has the sequence"
    mr = mr_anatomy(read_scan(subject.t2w))
    grid = place_grid(mr.scan, mr.head, preparation).lattice
    labels = label_from_map(read_labels(path, classes), grid, preparation, classes)
    # Voxels of no class are wrong wherever the truth has one: as what surrounds the head.
    labels[(labels == IGNORED) & (truth.whole.labels != IGNORED)] = classes.outside or 0
    whole = truth.whole
    box = np.ascontiguousarray(labels[whole.box(truth.image.shape)])
    scores = [MapScore("box", _count(box, truth, evaluation), _surface(box, truth, evaluation))]
    if evaluation.whole_scan:
        scores.append(
            MapScore(
                "whole",
                _count(labels, whole, evaluation),
                _surface(labels, whole, evaluation),
                attenuation_of(labels, whole),
            )
        )
    return scores


def _count(
    labels: np.ndarray, scan: PreparedScan | WholeScan, evaluation: EvaluationSettings
) -> dict[str, Counts]:
    deep = deep_part(scan.hull, scan.voxel_mm, evaluation.internal_air_rim_mm)
    truth = TrueLabels(scan.labels, scan.hull, deep, classes=scan.classes)
    return truth.count(torch.from_numpy(labels))


def _surface(
    labels: np.ndarray, scan: PreparedScan | WholeScan, evaluation: EvaluationSettings
) -> dict[str, dict[str, float]] | None:
    if not evaluation.surface_distances:
        return None
    return surface_distances(labels, scan.labels, scan.voxel_mm, scan.classes)


def _corners(image: sitk.Image) -> np.ndarray:
    """World coordinates of the first and the last voxel, and of the ends of the first two axes, mm."""
    x, y, z = (length - 1 for length in image.GetSize())
    places = ((0, 0, 0), (x, 0, 0), (0, y, 0), (x, y, z))
    return np.array([image.TransformIndexToPhysicalPoint(place) for place in places])


def _in_words(image: sitk.Image) -> str:
    size, spacing = image.GetSize(), image.GetSpacing()
    voxels = f"{' x '.join(map(str, size))} voxels of {' x '.join(f'{mm:g}' for mm in spacing)} mm"
    return f"{voxels} from {', '.join(f'{mm:g}' for mm in image.GetOrigin())}"
