"""Where a CT scanner reconstructed nothing, nothing is taken for air."""

import numpy as np
import pytest
import SimpleITK as sitk

from t1t2core.preparation.grid import to_image
from t1t2core.preparation.reconstruction import measured

SHAPE = (60, 64, 12)
VOXEL_MM = (2.0, 2.0, 3.0)
RADIUS_MM = 50.0
HEAD_MM = (40.0, 55.0)


def distances() -> tuple[np.ndarray, np.ndarray]:
    """Of each column from the middle, mm; and whether it is in the head, which the circle cuts."""
    x, y = ((np.arange(n) - (n - 1) / 2) * mm for n, mm in zip(SHAPE[:2], VOXEL_MM[:2], strict=True))
    across, along = np.meshgrid(x, y, indexing="ij")
    return np.hypot(across, along), np.hypot(across / HEAD_MM[0], along / HEAD_MM[1]) < 1


def make_ct(padding: float | None, *, noise: float = 8.0) -> sitk.Image:
    """A head of soft tissue in air, padded outside the circle."""
    distance, head = distances()
    hu = np.where(head, 40.0, -1000.0)[:, :, None] + np.zeros(SHAPE)
    hu += np.random.default_rng(0).normal(0, noise, SHAPE).round()
    if padding is not None:
        hu[distance > RADIUS_MM] = padding
    image = sitk.Image(SHAPE, sitk.sitkFloat32)
    image.SetSpacing(VOXEL_MM)
    return to_image(hu.astype(np.float32), image)


@pytest.mark.parametrize("padding", [-3024.0, -2000.0, -32768.0, -1024.0, -1000.0, 0.0, 3071.0])
def test_what_lies_outside_the_circle_is_padding_whatever_its_value(padding: float) -> None:
    distance, _ = distances()
    found = measured(make_ct(padding))
    assert not found[distance > RADIUS_MM].any()
    assert found[distance < RADIUS_MM - 4.0].all()  # one voxel at the edge would be interpolated with padding


@pytest.mark.parametrize("noise", [0.0, 8.0])
def test_a_ct_without_padding_was_measured_everywhere(noise: float) -> None:
    assert measured(make_ct(None, noise=noise)).all()


def test_air_that_was_clipped_at_its_lowest_value_is_air() -> None:
    clipped = sitk.Clamp(make_ct(None), sitk.sitkFloat32, -1000.0, 3000.0)
    assert measured(clipped).all()


def test_padding_of_slices_that_lie_along_another_axis() -> None:
    turned = sitk.PermuteAxes(make_ct(-1024.0), [2, 0, 1])
    assert 0.1 < np.mean(~measured(turned)) == pytest.approx(np.mean(~measured(make_ct(-1024.0))))
