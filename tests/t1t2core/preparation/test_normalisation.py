"""MR intensities become comparable between scans and between places in one scan."""

import numpy as np
import pytest
import SimpleITK as sitk

from t1t2core.errors import InputError
from t1t2core.preparation.grid import to_array, to_image
from t1t2core.preparation.normalisation import local_contrast, normalise
from t1t2core.settings import PreparationSettings

SHAPE = (40, 48, 32)


def grid() -> sitk.Image:
    image = sitk.Image(SHAPE, sitk.sitkFloat32)
    image.SetSpacing((2.0, 2.0, 3.0))
    return image


@pytest.fixture
def tissue() -> np.ndarray:
    """Fine bright structure on a grey ground."""
    return np.random.default_rng(3).normal(100, 20, SHAPE).astype(np.float32)


@pytest.fixture
def seen() -> np.ndarray:
    return np.ones(SHAPE, bool)


def test_the_scanner_s_scale_does_not_matter(tissue: np.ndarray, seen: np.ndarray):
    once = local_contrast(to_image(tissue, grid()), seen, 20.0)
    thousandfold = local_contrast(to_image(tissue * 1000, grid()), seen, 20.0)
    np.testing.assert_allclose(once, thousandfold, atol=1e-3)


def test_a_bias_field_is_taken_out(tissue: np.ndarray, seen: np.ndarray):
    bias = np.linspace(0.7, 1.3, SHAPE[0], dtype=np.float32)[:, None, None]
    plain = local_contrast(to_image(tissue, grid()), seen, 20.0)
    biased = local_contrast(to_image(tissue * bias, grid()), seen, 20.0)
    assert np.corrcoef(plain.ravel(), (tissue * bias).ravel())[0, 1] < 0.9
    assert np.corrcoef(plain.ravel(), biased.ravel())[0, 1] > 0.97


def test_local_mean_is_0_and_local_spread_about_1(tissue: np.ndarray, seen: np.ndarray):
    values = local_contrast(to_image(tissue, grid()), seen, 20.0)
    assert values.dtype == np.float32
    assert abs(values.mean()) < 0.05
    assert 0.8 < values.std() < 1.05


def test_what_the_scan_did_not_see_is_0_and_changes_nothing_elsewhere(tissue: np.ndarray, seen: np.ndarray):
    seen[:, :, 20:] = False
    other = tissue.copy()
    other[:, :, 20:] = 5000
    values = local_contrast(to_image(tissue, grid()), seen, 20.0)
    np.testing.assert_allclose(values, local_contrast(to_image(other, grid()), seen, 20.0), atol=1e-6)
    assert not values[:, :, 20:].any()


def test_an_empty_scan_gives_zeros_not_nan(seen: np.ndarray):
    assert not local_contrast(grid(), seen, 20.0).any()


def test_z_score_is_over_the_head_only(tissue: np.ndarray, seen: np.ndarray):
    head = np.zeros(SHAPE, bool)
    head[10:30, 10:30, 10:30] = True
    tissue[~head] = 0
    values = normalise(to_image(tissue, grid()), seen, head, PreparationSettings(normalisation="z_score"))
    assert abs(values[head].mean()) < 1e-4
    assert abs(values[head].std() - 1) < 1e-4
    assert values[~head].max() < -3


def test_the_settings_choose(tissue: np.ndarray, seen: np.ndarray):
    image = to_image(tissue, grid())
    narrow = normalise(image, seen, seen, PreparationSettings(normalisation_sigma_mm=5.0))
    wide = normalise(image, seen, seen, PreparationSettings())
    assert not np.allclose(narrow, wide)
    np.testing.assert_array_equal(
        wide, local_contrast(image, seen, PreparationSettings().normalisation_sigma_mm)
    )
    assert to_array(image).shape == SHAPE


@pytest.mark.parametrize("sigma_mm", [1e-300, 0.01, 2000.0, 1e300])
def test_a_window_that_no_filter_can_have_is_refused(sigma_mm: float) -> None:
    settings = PreparationSettings(normalisation_sigma_mm=sigma_mm)
    image = sitk.GetImageFromArray(np.ones((8, 8, 8), np.float32))
    everywhere = np.ones((8, 8, 8), bool)
    with pytest.raises(InputError, match="normalisation_sigma_mm"):
        normalise(image, everywhere, everywhere, settings)
