"""Changes of a raw MR scan, each by a stated physical amount: how another scanner would have seen the head.

MONAI takes seconds to import, so this module is imported where scans are changed.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from monai.transforms import AdjustContrast, RandBiasField, RandomizableTransform, RandRicianNoise
from monai.utils import convert_to_tensor

from t1t2core.cohort.scan import LEAST_EXTENT_MM, LEAST_SLICES
from t1t2core.preparation.anatomy import Anatomy
from t1t2core.preparation.grid import extent_mm, resample_to_voxels, to_array, to_image, within
from t1t2core.preparation.threads import one_thread
from t1t2core.seeds import generator

BRIGHT_PERCENTILE = 99.0
"""Of a scan's intensities above the lowest: what noise is measured by."""
BIAS_DEGREE = 3
"""Of the polynomial that a bias field is: that of MONAI's RandBiasField."""
LEFT_RIGHT, BACK_FRONT, UP = range(3)

Change = Callable[[Anatomy, float, np.random.Generator], sitk.Image | None]
"""Returns a scan changed by so much; None where that does not apply to it."""


@dataclass(frozen=True, kw_only=True)
class Perturbation:
    """One way in which a scan can differ from those that a network has learnt from.

    Args:
        unit: of the values.
        values: at levels 1, 2 and so on; level 0 is the scan as it is.
    """

    unit: str
    values: tuple[float, ...]
    change: Change


@one_thread()
def perturb(mr: Anatomy, kind: str, level: int, *, seed: int, patient: str) -> sitk.Image | None:
    """Return a scan changed in one of the ways of `PERTURBATIONS`.

    What is random about it follows from seed, patient, kind and level alone.

    Args:
        level: from 0, which leaves the scan as it is.

    Returns:
        The scan; None where so much does not apply to it: its voxels are larger already, or too little would
        be left of it.
    """
    if level == 0:
        return mr.scan
    perturbation = PERTURBATIONS[kind]
    random = generator(seed, f"perturbation: {kind} of {patient}", level)
    return perturbation.change(mr, perturbation.values[level - 1], random)


def _bend(mr: Anatomy, gamma: float, random: np.random.Generator) -> sitk.Image:
    """Raise intensities to a power, between the scan's lowest and its highest."""
    bent = AdjustContrast(gamma)(to_array(mr.scan)[None])
    return _image(bent[0], mr.scan)


def _add_bias(mr: Anatomy, percent: float, random: np.random.Generator) -> sitk.Image:
    """Multiply by a smooth field whose lowest and highest values in the head are so many percent off 1."""
    values = to_array(mr.scan)
    # Their logarithm is the polynomial itself.
    field = np.log(_draw(RandBiasField(BIAS_DEGREE, (-0.1, 0.1), prob=1), np.ones_like(values), random))
    in_head = field[within(mr.head, mr.scan)]
    low, high = (in_head.min(), in_head.max()) if in_head.size else (field.min(), field.max())
    # Off the head a polynomial grows without limit.
    share = np.clip(2 * (field - low) / (high - low) - 1, -1, 1)
    lowest = values.min()
    return _image((values - lowest) * (1 + percent / 100 * share) + lowest, mr.scan)


def _add_noise(mr: Anatomy, percent: float, random: np.random.Generator) -> sitk.Image:
    """Add noise to both channels of which the intensities are the magnitude (Rician noise)."""
    values = to_array(mr.scan)
    lowest = values.min()
    deviation = percent / 100 * float(np.percentile(values - lowest, BRIGHT_PERCENTILE))
    noisy = _draw(RandRicianNoise(prob=1, std=deviation, sample_std=False), values - lowest, random)
    return _image(noisy + lowest, mr.scan)


def _thicken(mr: Anatomy, mm: float, random: np.random.Generator) -> sitk.Image | None:
    """Blur and resample to slices of this thickness, upwards."""
    return _coarsen(mr.scan, {UP: mm})


def _coarsen_in_plane(mr: Anatomy, mm: float, random: np.random.Generator) -> sitk.Image | None:
    """Blur and resample to voxels of this size left to right and back to front."""
    return _coarsen(mr.scan, {LEFT_RIGHT: mm, BACK_FRONT: mm})


def _cut_above(mr: Anatomy, mm: float, random: np.random.Generator) -> sitk.Image | None:
    """Let the scan end so far below the top of the head."""
    return _crop(mr, {UP: (0.0, mm)})


def _cut_below(mr: Anatomy, mm: float, random: np.random.Generator) -> sitk.Image | None:
    """Let the scan begin so far above the lowest of the head and neck."""
    return _crop(mr, {UP: (mm, 0.0)})


def _cut_in_plane(mr: Anatomy, mm: float, random: np.random.Generator) -> sitk.Image | None:
    """Let the scan end so far within the head at its left, right, back and front."""
    return _crop(mr, {LEFT_RIGHT: (mm, mm), BACK_FRONT: (mm, mm)})


def _coarsen(scan: sitk.Image, wanted_mm: dict[int, float]) -> sitk.Image | None:
    own = scan.GetSpacing()
    if all(mm <= own[axis] for axis, mm in wanted_mm.items()):
        return None
    return resample_to_voxels(scan, tuple(max(mm, wanted_mm.get(axis, mm)) for axis, mm in enumerate(own)))


def _crop(mr: Anatomy, cut_mm: dict[int, tuple[float, float]]) -> sitk.Image | None:
    """Cut so much of the head off at the lower and the upper end of these axes, and all that is beyond."""
    scan = mr.scan
    parts = [slice(None)] * 3
    for axis, (lower, upper) in cut_mm.items():
        spacing, size = scan.GetSpacing()[axis], scan.GetSize()[axis]
        low, high = extent_mm(mr.head, axis)
        first = round((low + lower) / spacing) if lower else 0
        last = min(size, round((high - upper) / spacing)) if upper else size
        if last - first < LEAST_SLICES or (last - first) * spacing < LEAST_EXTENT_MM:
            return None
        parts[axis] = slice(first, last)
    return scan[tuple(parts)]


def _draw(transform: RandomizableTransform, values: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return what MONAI makes of (X, Y, Z) with these random numbers."""
    transform.set_random_state(state=np.random.RandomState(random.bit_generator))
    changed: np.ndarray = convert_to_tensor(transform(values[None])[0], track_meta=False).numpy()
    return changed


def _image(values: object, like: sitk.Image) -> sitk.Image:
    return to_image(np.asarray(values, np.float32), like)


PERTURBATIONS: dict[str, Perturbation] = {
    "gamma_above_1": Perturbation(unit="gamma", values=(1.25, 1.5, 2.0), change=_bend),
    "gamma_below_1": Perturbation(unit="gamma", values=(0.8, 0.67, 0.5), change=_bend),
    "bias_field": Perturbation(unit="% to either side", values=(10.0, 20.0, 40.0), change=_add_bias),
    "noise": Perturbation(unit="% of the 99th percentile", values=(2.0, 5.0, 10.0), change=_add_noise),
    "slice_thickness": Perturbation(unit="mm", values=(4.0, 6.0, 8.0), change=_thicken),
    "voxel_in_plane": Perturbation(unit="mm", values=(3.0, 4.0, 6.0), change=_coarsen_in_plane),
    "cut_above": Perturbation(unit="mm", values=(10.0, 20.0, 40.0), change=_cut_above),
    "cut_below": Perturbation(unit="mm", values=(20.0, 40.0, 80.0), change=_cut_below),
    "cut_in_plane": Perturbation(unit="mm", values=(5.0, 10.0, 20.0), change=_cut_in_plane),
}
"""Each from what hardly shows to what spoils a scan (ours). Of noise BrainWeb has 1 to 9 %, of bias fields 10
and 20 % (it calls them 20 and 40)."""
