"""MR intensities made comparable between scans, and between places in one scan."""

import numpy as np
import SimpleITK as sitk

from t1t2core.errors import InputError
from t1t2core.preparation.grid import to_array, to_image
from t1t2core.settings import PreparationSettings

SIGMA_MM = (0.1, 1000.0)
"""Windows that can be told from a voxel and from the whole scan; beyond, the filter's numbers are lost."""
SMALLEST = float(np.finfo(np.float32).tiny)


def normalise(
    image: sitk.Image, seen: np.ndarray, head: np.ndarray, settings: PreparationSettings
) -> np.ndarray:
    """Intensities (X, Y, Z) as `settings.normalisation` says, float32; 0 where the scan saw nothing.

    Args:
        image: MR at the network's voxels.
        seen: bool (X, Y, Z), inside the scan's field of view.
        head: bool (X, Y, Z), foreground.

    Raises:
        InputError: the window is smaller or larger than `SIGMA_MM`.
    """
    if settings.normalisation == "z_score":
        return z_score(to_array(image), seen, head)
    if not SIGMA_MM[0] <= settings.normalisation_sigma_mm <= SIGMA_MM[1]:
        raise InputError(
            f"preparation.normalisation_sigma_mm: found {settings.normalisation_sigma_mm:g}; "
            f"{SIGMA_MM[0]:g} to {SIGMA_MM[1]:g} mm are possible"
        )
    return local_contrast(image, seen, settings.normalisation_sigma_mm)


def z_score(values: np.ndarray, seen: np.ndarray, head: np.ndarray) -> np.ndarray:
    """Mean 0 and standard deviation 1 over the head, float32; 0 where `seen` is false."""
    foreground = values[head & seen] if (head & seen).any() else values[seen]
    scaled = (values - foreground.mean(dtype=np.float64)) / max(foreground.std(dtype=np.float64), SMALLEST)
    return np.where(seen, scaled, 0).astype(np.float32)


def local_contrast(image: sitk.Image, seen: np.ndarray, sigma_mm: float) -> np.ndarray:
    """Local contrast normalisation (Sec. 3.2 of the study), float32; 0 where `seen` is false.

    (x - m) / max(s, mean of s), with m and s the mean and standard deviation under a Gaussian window;
    voxels outside the field of view have no weight in them.
    """
    values = to_array(image).astype(np.float32)
    values = values / max(float(np.abs(values[seen]).max(initial=0)), SMALLEST)

    def window(volume: np.ndarray) -> np.ndarray:
        blurred = sitk.SmoothingRecursiveGaussian(to_image(volume.astype(np.float32), image), sigma_mm)
        return to_array(blurred).astype(np.float64)

    weight = np.maximum(window(seen.astype(np.float32)), 1e-6)
    mean = window(values * seen) / weight
    spread = np.sqrt(np.maximum(window(values**2 * seen) / weight - mean**2, 0))
    floor = max(float(spread[seen].mean()) if seen.any() else 0.0, SMALLEST)
    return np.where(seen, (values - mean) / np.maximum(spread, floor), 0).astype(np.float32)
