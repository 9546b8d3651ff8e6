"""Doubts about an MR scan from its own intensities: no skull around the brain, or the other sequence."""

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from t1t2core.preparation.grid import resample_isotropic, to_array, to_ras
from t1t2core.preparation.head import HEAD_SPACING_MM, background, mr_head
from t1t2core.preparation.threads import one_thread

UPPER_MM = 90.0
"""From the crown downwards: brain, skull and scalp, and none of the face."""
DEEP_MM = 25.0
"""Depth under the surface of the head from which there is brain only."""
SKULL_MM = (4.0, 20.0)
"""Depths between which the middle of the skull lies, under thin scalps and thick ones."""
SHELL_MM = 2.0
LEAST_DEEP_VOXELS = 1000
BRIGHTEST_SKULL = 0.65
"""Between what was found in scans with a skull and without (see `doubts`)."""
MIDDLE_SKEWNESS = 1.7
"""Likewise, between T1w and T2w."""


@one_thread()
def doubts(scan: sitk.Image, suffix: str, *, has_skull: bool = True) -> list[str]:
    """Return what speaks against a scan being a head with its skull, of that sequence: a sentence each.

    Of other sequences than T1w and T2w nothing is known.

    Two numbers are judged, both of the upper head:

    - Brightness of the skull: the darkest of the median intensities at 4 to 20 mm under the surface, over
      the median of the brain, both above the background. Bone is dark in either sequence; under the surface
      of a bare brain lies cortex.
    - Skewness: how far the 98th percentile of the brain is from its median, over the same for the 2nd.
      Fluid is the brightest there is in the brain on T2w and the darkest on T1w.

    Measured on 22 T1w and 15 T2w scans, all but three of simulated heads, and on the same scans with all that
    lies less than 20 or 26 mm under the surface set to 0: brightness at most 0.59 with a skull, at least 0.69
    without; skewness at most 0.8 on T1w, at least 3.6 on T2w. No scan was misjudged by the limits between
    them, and z-scored scans gave the same numbers.
    """
    head = mr_head(to_ras(scan))
    values = to_array(resample_isotropic(to_ras(scan), HEAD_SPACING_MM)) - background(scan)
    depth = _depth(to_array(head) > 0)
    brain = values[depth > DEEP_MM]
    if len(brain) < LEAST_DEEP_VOXELS:
        return [f"no head was found in it: hardly anything lies {DEEP_MM:g} mm under a surface"]
    findings = []
    if has_skull and (bright := skull_brightness(values, depth)) > BRIGHTEST_SKULL:
        findings.append(
            f"it seems to have no skull: nowhere {SKULL_MM[0]:g} to {SKULL_MM[1]:g} mm under the surface is "
            f"it darker than {bright:.2f} of the brain (with a skull: below {BRIGHTEST_SKULL:g})"
        )
    if (skew := skewness(brain)) < MIDDLE_SKEWNESS and suffix == "T2w":
        findings.append(f"it looks like T1w, not T2w: {_tails(skew)}")
    elif skew > MIDDLE_SKEWNESS and suffix == "T1w":
        findings.append(f"it looks like T2w, not T1w: {_tails(skew)}")
    return findings


def skull_brightness(values: np.ndarray, depth: np.ndarray) -> float:
    """Intensity of the darkest shell where the skull should be, over the brain's.

    Args:
        values: intensities above those of the background (X, Y, Z).
        depth: of each voxel under the surface of the head (X, Y, Z), mm.
    """
    starts = np.arange(*SKULL_MM, SHELL_MM)
    shells = [values[(depth > start) & (depth <= start + SHELL_MM)] for start in starts]
    darkest = min(float(np.median(shell)) for shell in shells if len(shell))
    return darkest / max(float(np.median(values[depth > DEEP_MM])), 1e-6)


def skewness(brain: np.ndarray) -> float:
    """Length of the bright tail over that of the dark one, of intensities."""
    low, middle, high = np.percentile(brain, (2, 50, 98))
    return float((high - middle) / max(middle - low, 1e-6))


def _depth(head: np.ndarray) -> np.ndarray:
    """Depth under the head's surface in its upper part, mm, 0 elsewhere.

    Where the scan cuts the head off below is no surface.
    """
    padded = np.pad(head, ((1, 1), (1, 1), (0, 1)))
    depth = ndimage.distance_transform_edt(padded, sampling=HEAD_SPACING_MM)[1:-1, 1:-1, :-1]
    slices = np.flatnonzero(head.any(axis=(0, 1)))
    crown = int(slices[-1]) if len(slices) else 0
    depth[:, :, : max(0, crown - round(UPPER_MM / HEAD_SPACING_MM))] = 0
    return depth


def _tails(skew: float) -> str:
    return (
        f"in the brain the bright tail of the intensities is {skew:.1f} times as long as the dark one "
        f"(T2w: above {MIDDLE_SKEWNESS:g})"
    )
