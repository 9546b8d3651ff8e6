"""Cohorts with label maps of a structure in the head: small, and without a registration to judge."""

from collections.abc import Iterable
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy import ndimage

from t1t2core.settings import CohortSettings, PreparationSettings
from t1t2core.settings.classes import ClassRule

SHAPE = (16, 24, 16)
VOXEL_MM = (5.0, 5.0, 5.0)
PARTS = CohortSettings(
    classes={"lesion": ClassRule(value=3), "background": ClassRule(value=0)}, background="background"
)
OWN_VOXELS = PreparationSettings(grid=SHAPE, voxel_mm=VOXEL_MM)
"""The network's voxels are those of the scans."""
YAML = """
cohort:
  classes: {lesion: {value: 3}, background: {value: 0}}
  background: background
preparation: {grid: [16, 24, 16], voxel_mm: [5.0, 5.0, 5.0]}
training: {patch: [16, 24, 16], stride: [16, 24, 16]}
pretraining: {patch: [16, 24, 16], stride: [16, 24, 16]}
"""
"""The same in a search space."""
AFFINE = np.diag([*VOXEL_MM, 1.0])
AFFINE[:3, 3] = (-38, -58, -38)


def write_parts(folder: Path, subjects: Iterable[int] = range(1, 5)) -> Path:
    """Write heads of coarse voxels as BIDS: T1w, T2w, and for each a map with a lesion of value 3."""
    for number in subjects:
        name = f"sub-{number:02}"
        head, lesion, texture = _head(number)
        for contrast, suffix in enumerate(("T1w", "T2w")):
            noise = np.random.default_rng([number, contrast]).normal(0, 4, SHAPE)
            image = np.where(head, 150 + 60 * texture, 5) + (60 - 100 * contrast) * lesion + noise
            save(folder / name / "anat" / f"{name}_{suffix}.nii.gz", np.abs(image).astype(np.float32))
            labels = (3 * lesion).astype(np.uint8)
            save(folder / name / "anat" / f"{name}_space-{suffix}_dseg.nii.gz", labels)
    return folder


def save(path: Path, voxels: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    """Save voxels on the grid of the heads, unless another is given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(voxels, affine), path)
    return path


def _head(number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Head and lesion, bool, and what tells one head from another."""
    rng = np.random.default_rng(number)
    axes = [np.linspace(-1, 1, length) for length in SHAPE]
    place = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    head = np.linalg.norm(place / rng.uniform(0.75, 0.85, 3), axis=-1) < 1
    lesion = np.linalg.norm((place - rng.uniform(-0.25, 0.25, 3)) / 0.3, axis=-1) < 1
    texture = ndimage.gaussian_filter(rng.normal(size=SHAPE), 1.5)
    return head, lesion, texture / np.abs(texture).max()
