"""Where a scan lies: the affine of its header, with axes at right angles, and what had to be assumed."""

from dataclasses import dataclass
from itertools import product

import numpy as np
import SimpleITK as sitk
from nibabel.analyze import AnalyzeHeader
from nibabel.nifti1 import Nifti1Header
from scipy.spatial.transform import Rotation

from t1t2core.errors import InputError

LEAST_SHIFT_MM, LEAST_SHIFT_VOXELS = 0.2, 0.1
"""A shift within a volume below which two places are one: the larger of the two, of the smallest side of a
voxel. Headers round by less (a float32 quaternion near half a turn by 0.1 mm), and scans align to about 1 mm.
"""

MOST_SCALE = 2.0
"""Largest ratio of a voxel's side by the sform to that by pixdim: registration to a template scales less."""

QUATERN_ROUNDING = 1e-7
"""A squared first component of a quaternion that is 0, as NIfTI's own library takes it."""

MOST_QUATERN_ERROR = 1e-2
"""Largest excess over 1 of a quaternion's squared length."""

EXACT = 1e-6
"""Difference between cosines that float32 does not tell."""

MM_OF_UNIT = {1: 1e3, 3: 1e-3}
"""Of NIfTI's codes for metres and micrometres; all else is read as mm."""

_UNIT_BITS = 7

_ASSUMED = (
    "x is taken to run to the left and y to the front, as SPM, FSL and nibabel do; if that is wrong, "
    "left and right are swapped"
)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a volume lies.

    Args:
        affine: (4, 4) from voxel indices to RAS coordinates, mm; its axes are at right angles.
        notes: what was assumed because the header does not say or contradicts itself, a sentence each.
    """

    affine: np.ndarray
    notes: tuple[str, ...] = ()


def place_of(header: AnalyzeHeader) -> Place:
    """Find where the volume of a NIfTI or Analyze header lies.

    Of NIfTI's two forms only those count whose code is above 0, and the sform before the qform, as in SPM,
    FSL and nibabel. With the sform come the voxel sizes of its columns, whatever pixdim says.

    Raises:
        InputError: the form that counts is no place, or sheared.
    """
    if not isinstance(header, Nifti1Header):
        note = f"an Analyze file does not say which side is left: {_ASSUMED}"
        return Place(affine=header.get_best_affine(), notes=(note,))
    coded = {"sform": _sform(header), "qform": _qform(header)}
    forms = {name: form for name, form in coded.items() if form is not None}
    if not forms:
        note = f"its header does not say which side is left (sform_code and qform_code are 0): {_ASSUMED}"
        return Place(affine=_in_mm(header, header.get_base_affine()), notes=(note,))
    size = np.array(header.get_data_shape()[:3])
    name, form = next(iter(forms.items()))
    notes = _contradictions(header, forms, size) if name == "sform" else ()
    try:
        return Place(affine=right_angled(form, size), notes=notes)
    except InputError as error:
        other = "" if len(forms) == 1 else "; or, if its qform is right, set sform_code to 0"
        raise InputError(f"by its {name}, {error}{other}") from None


def right_angled(affine: np.ndarray, size: np.ndarray) -> np.ndarray:
    """The nearest affine (4, 4) whose axes are at right angles; the volume's centre stays where it is.

    Args:
        affine: (4, 4) from voxel indices to mm.
        size: of the volume, voxels.

    Raises:
        InputError: that would move a voxel by more than a rounded header does, or the affine is singular.
    """
    voxel_mm = np.linalg.norm(affine[:3, :3], axis=0)
    if not (np.isfinite(affine).all() and np.linalg.matrix_rank(affine[:3, :3]) == 3):
        raise InputError("it lies at no place: the matrix of its axes is singular or has no numbers")
    left, _, right = np.linalg.svd(affine[:3, :3] / voxel_mm)
    straight = affine.copy()
    straight[:3, :3] = left @ right * voxel_mm
    centre = (size - 1) / 2
    straight[:3, 3] += (affine - straight)[:3, :3] @ centre
    if (shift_mm := furthest_mm(affine, straight, size)) > _rounding_mm(affine):
        cosines = (affine[:3, :3] / voxel_mm).T @ (affine[:3, :3] / voxel_mm)
        angle = np.rad2deg(np.arccos(np.abs(cosines - np.eye(3)).max()))
        raise InputError(
            f"its axes are not at right angles but at {angle:.1f} degrees, which moves voxels by up to "
            f"{shift_mm:.1f} mm; resample it onto a grid with axes at right angles"
        )
    return straight


def straighten(image: sitk.Image) -> sitk.Image:
    """The image, its axes at right angles, moved by no more than a rounded header does.

    Raises:
        InputError: as `right_angled`.
    """
    axes = np.reshape(image.GetDirection(), (3, 3))
    if not np.allclose(axes.T @ axes, np.eye(3), atol=EXACT):
        affine = np.eye(4)
        affine[:3, :3], affine[:3, 3] = axes * image.GetSpacing(), image.GetOrigin()
        lay(image, right_angled(affine, np.array(image.GetSize())))
    return image


def lay(image: sitk.Image, affine: np.ndarray) -> None:
    """Puts an image where an affine (4, 4) from voxel indices to LPS coordinates says, mm."""
    voxel_mm = np.linalg.norm(affine[:3, :3], axis=0)
    image.SetSpacing(voxel_mm.tolist())
    image.SetDirection((affine[:3, :3] / voxel_mm).ravel().tolist())
    image.SetOrigin(affine[:3, 3].tolist())


def furthest_mm(one: np.ndarray, other: np.ndarray, size: np.ndarray) -> float:
    """Largest distance, mm, between the places that two affines give to one voxel of a volume."""
    corners = np.array([[*corner, 1] for corner in product(*((0, n - 1) for n in size))])
    return float(np.linalg.norm((corners @ (one - other).T)[:, :3], axis=1).max())


def _sform(header: Nifti1Header) -> np.ndarray | None:
    """The sform, mm, if it has a code.

    Raises:
        InputError: numbers in it are NaN or infinite.
    """
    if not header["sform_code"] > 0:
        return None
    return _in_mm(header, _finite("sform", header.get_sform()))


def _qform(header: Nifti1Header) -> np.ndarray | None:
    """The qform, mm, if it has a code.

    Raises:
        InputError: its quaternion is no rotation.
    """
    if not header["qform_code"] > 0:
        return None
    vector = _finite("qform", np.array([float(header[f"quatern_{letter}"]) for letter in "bcd"]))
    rest = 1 - vector @ vector
    if rest < -MOST_QUATERN_ERROR:
        raise InputError("its header puts it at no place (the quaternion of its qform is no rotation)")
    rotation = Rotation.from_quat([*vector, np.sqrt(rest) if rest > QUATERN_ROUNDING else 0]).as_matrix()
    # By the standard anything but a negative number means that the third axis is not mirrored.
    mirror = -1 if header["pixdim"][0] < 0 else 1
    matrix = np.eye(4)
    matrix[:3, :3] = rotation * header["pixdim"][1:4] * [1, 1, mirror]
    matrix[:3, 3] = [header[f"qoffset_{letter}"] for letter in "xyz"]
    return _in_mm(header, _finite("qform", matrix))


def _finite(name: str, form: np.ndarray) -> np.ndarray:
    if not np.isfinite(form).all():
        raise InputError(f"its header puts it at no place ({name} has numbers that are NaN or infinite)")
    return form


def _in_mm(header: Nifti1Header, matrix: np.ndarray) -> np.ndarray:
    return np.diag([*[MM_OF_UNIT.get(int(header["xyzt_units"]) & _UNIT_BITS, 1.0)] * 3, 1.0]) @ matrix


def _contradictions(header: Nifti1Header, forms: dict[str, np.ndarray], size: np.ndarray) -> tuple[str, ...]:
    """Return what in the header speaks against the sform.

    Raises:
        InputError: pixdim gives voxels of quite another size.
    """
    sform = forms["sform"]
    own_mm = np.linalg.norm(sform[:3, :3], axis=0)
    pixdim_mm = np.diag(_in_mm(header, np.diag([*header["pixdim"][1:4], 1.0])))[:3]
    sizes = f"its sform gives voxels of {_listed(own_mm)} mm, its pixdim {_listed(pixdim_mm)} mm"
    if not np.all((pixdim_mm < MOST_SCALE * own_mm) & (own_mm < MOST_SCALE * pixdim_mm)):
        raise InputError(f"{sizes}: damaged, or with wrong units")
    if "qform" in forms:
        shift_mm = furthest_mm(sform, forms["qform"], size)
        note = f"its sform and qform differ by up to {shift_mm:.1f} mm; the sform counts"
    else:
        shift_mm, note = float((np.abs(pixdim_mm - own_mm) * size).max()), f"{sizes}; the sform counts"
    return (note,) if shift_mm > _rounding_mm(sform) else ()


def _listed(lengths_mm: np.ndarray) -> str:
    return " x ".join(f"{mm:g}" for mm in lengths_mm)


def _rounding_mm(affine: np.ndarray) -> float:
    """The shift within a volume that is put down to rounding."""
    return max(LEAST_SHIFT_MM, LEAST_SHIFT_VOXELS * float(np.linalg.norm(affine[:3, :3], axis=0).min()))
