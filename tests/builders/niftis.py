"""NIfTI scans as users have them, to be changed after they are saved."""

from pathlib import Path

import nibabel as nib
import numpy as np
from scipy.spatial.transform import Rotation

SHAPE = (30, 32, 20)


def mr_voxels() -> np.ndarray:
    """Noise of whole numbers, 0 to 799."""
    return np.random.default_rng(0).integers(0, 800, SHAPE).astype(np.int16)


def save(path: Path, voxels: np.ndarray, *, spacing: tuple[float, ...] = (4, 4, 5)) -> Path:
    """Save voxels of this size, in mm, along the patient's axes."""
    nib.save(nib.Nifti1Image(voxels, np.diag([*spacing, 1.0])), path)
    return path


def patch(path: Path, at: int, values: np.ndarray) -> Path:
    """Overwrite part of a file, as a faulty converter would."""
    content = bytearray(path.read_bytes())
    content[at : at + values.nbytes] = values.tobytes()
    path.write_bytes(content)
    return path


def oblique(mirror: int = 1) -> np.ndarray:
    """Axes turned by some degrees, voxels of three sizes; -1 mirrors the first axis."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", [10, 20, -15], degrees=True).as_matrix() * [
        4 * mirror,
        4.2,
        5,
    ]
    matrix[:3, 3] = (-60, -70, -40)
    return matrix
