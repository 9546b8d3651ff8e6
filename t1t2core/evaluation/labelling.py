"""A whole scan labelled by one network or several, on the scan's own grid."""

import gzip
from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import SimpleITK as sitk
import torch
from nibabel.nifti2 import Nifti2Header
from scipy import ndimage
from torch import Tensor

from t1t2core.cohort.nifti import nifti_header
from t1t2core.files import write_atomically
from t1t2core.network.base import Network
from t1t2core.preparation.grid import affine, resample, to_array, to_image
from t1t2core.preparation.labels import AIR
from t1t2core.preparation.patches import Voxel, patch_starts
from t1t2core.preparation.prepare import PreparedImage, prepare_image
from t1t2core.settings import PreparationSettings, TrainingSettings
from t1t2core.training.compute import Compute, device_here, resolve_precision

AIR_BEYOND_MM = 10.0
"""Thicker than what the outline of the head misses, ears for instance."""

FORM_FIELDS = (
    *("xyzt_units", "sform_code", "srow_x", "srow_y", "srow_z"),
    *("qform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z"),
)
"""Of a NIfTI header: where the scan lies. The qform is of pixdim too."""


def label_scan(
    scan: sitk.Image,
    networks: Sequence[Network],
    preparation: PreparationSettings,
    training: TrainingSettings,
    compute: Compute | None = None,
) -> sitk.Image:
    """Label every voxel of an MR scan: uint8 on the scan's own grid, 0 air, 1 soft tissue, 2 bone.

    Args:
        scan: float32, any orientation.
        networks: the mean of their class probabilities decides.
        preparation: what the networks were trained with.
        training: likewise; its patches count.
        compute: that of this machine, if none is given.
    """
    if compute is None:
        device = device_here()
        precision = resolve_precision(training.precision, device, [training.patch])
        compute = Compute(precision=precision, device=device.kind)
    prepared = prepare_image(scan, preparation, whole=True)
    probabilities = class_probabilities(prepared, networks, preparation, training, compute)
    return most_probable(probabilities, prepared.grid, scan)


def class_probabilities(
    prepared: PreparedImage,
    networks: Sequence[Network],
    preparation: PreparationSettings,
    training: TrainingSettings,
    compute: Compute,
) -> np.ndarray:
    """Compute class probabilities (3, X, Y, Z), float32, of a whole scan: the mean over networks and patches.

    In the box around the head the patches are those of training and scoring, so recorded scores hold for
    it: a network depends on where in the head a patch begins. (Patches that begin elsewhere, half
    overlapping, cost 0.06 to 0.12 of Dice for bone in six simulated heads.) Around the box, which training
    never saw, patches overlap by half: with no overlap, soft tissue there lost 0.03 to 0.05. There, too, all
    that is `AIR_BEYOND_MM` off the head is air: in patches of nothing but noise networks see tissue.
    """
    image, patch = prepared.image, training.patch
    box = tuple(slice(a, a + n) for a, n in zip(prepared.start, preparation.grid, strict=True))
    half = (patch[0] // 2, patch[1] // 2, patch[2] // 2)
    around = [start for start in patch_starts(image.shape, patch, half) if not _within(start, patch, box)]
    inside = patch_starts(preparation.grid, patch, training.stride)
    probabilities = _mean_over_patches(image, around, patch, networks, compute)
    far = ndimage.distance_transform_edt(~prepared.head, sampling=preparation.voxel_mm) > AIR_BEYOND_MM
    probabilities[:, far] = np.eye(len(probabilities), dtype=np.float32)[:, [AIR]]
    probabilities[(slice(None), *box)] = _mean_over_patches(image[box], inside, patch, networks, compute)
    return probabilities


def _within(start: Voxel, patch: Voxel, box: tuple[slice, ...]) -> bool:
    """Return whether a patch lies in the box."""
    return all(part.start <= a and a + n <= part.stop for a, n, part in zip(start, patch, box, strict=True))


@torch.no_grad()
def _mean_over_patches(
    image: np.ndarray, starts: list[Voxel], patch: Voxel, networks: Sequence[Network], compute: Compute
) -> np.ndarray:
    """Class probabilities (3, X, Y, Z) where there are patches, NaN elsewhere."""
    for network in networks:
        network.to(compute.device).eval()
    volume = torch.from_numpy(np.ascontiguousarray(image))
    total, count = torch.zeros((3, *volume.shape)), torch.zeros(volume.shape)
    for x, y, z in starts:
        where = (..., slice(x, x + patch[0]), slice(y, y + patch[1]), slice(z, z + patch[2]))
        total[where] += _mean_over_networks(volume[where], networks, compute)
        count[where] += 1
    return (total / count).numpy()


def _mean_over_networks(patch: Tensor, networks: Sequence[Network], compute: Compute) -> Tensor:
    """Class probabilities (3, x, y, z) of a patch (x, y, z), on the CPU."""
    batch = patch[None, None].to(compute.device)
    with compute.autocast():
        logits = [network(batch) for network in networks]
    return torch.stack([one[0].float().softmax(dim=0) for one in logits]).mean(dim=0).cpu()


def most_probable(probabilities: np.ndarray, grid: sitk.Image, scan: sitk.Image) -> sitk.Image:
    """Choose the most probable class at each voxel of `scan`, uint8 on its grid.

    Probabilities are interpolated, not labels: where the scan's voxels are finer than the network's, borders
    stay smooth, and lie better (Dice on six simulated heads at 1.2 mm: bone the same, soft tissue 0.01 more).

    Args:
        probabilities: (C, X, Y, Z) at the voxels of `grid`, which covers the scan.
    """
    labels = np.zeros(to_array(scan).shape, np.uint8)
    highest = np.full(labels.shape, -np.inf, np.float32)
    for label, probability in enumerate(probabilities):
        here = to_array(resample(to_image(probability, grid), scan))
        labels[here > highest] = label
        np.maximum(highest, here, out=highest)
    return to_image(labels, scan)


def write_labels(labels: sitk.Image, path: Path, *, like: Path) -> None:
    """Write the labels of a scan as NIfTI (`.nii.gz`), whole or not at all, over what was there.

    The axes and the order of the voxels are the scan's. Where the scan is NIfTI, so are both its forms with
    their codes: whichever of them a viewer goes by, labels lie on the scan. Equal labels give equal bytes.

    Args:
        labels: on the grid of the scan.
        like: the scan's file or folder.
    """
    source = nifti_header(like)
    kind = nib.Nifti2Image if isinstance(source, Nifti2Header) else nib.Nifti1Image
    header = kind.header_class()
    header.set_data_dtype(np.uint8)
    if source is None:
        header.set_sform(affine(labels), code="scanner")
        header.set_qform(affine(labels), code="scanner")
        header.set_xyzt_units("mm")
    else:
        for field in FORM_FIELDS:
            header[field] = source[field]
        header["pixdim"][:4] = source["pixdim"][:4]
    # With an affine nibabel would write its own forms.
    file = kind(to_array(labels), None, header)
    write_atomically(path, gzip.compress(file.to_bytes(), mtime=0))
