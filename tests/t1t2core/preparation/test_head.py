"""The head is found in a scan, and the table it lies on is not part of it."""

import numpy as np
import pytest
import SimpleITK as sitk

from t1t2core.preparation.grid import to_array, to_image
from t1t2core.preparation.head import ct_head, fill_slices, mr_head, remove_table

SHAPE = (100, 110, 90)
PLACES = np.moveaxis(np.indices(SHAPE), 0, -1)
RADIUS = np.linalg.norm((PLACES - [50, 52, 45]) / [0.75, 0.9, 0.8], axis=-1)
HEAD = RADIUS < 45
SINUS = np.linalg.norm(PLACES - [50, 75, 35], axis=-1) < 6


def grid() -> sitk.Image:
    image = sitk.Image(SHAPE, sitk.sitkFloat32)
    image.SetSpacing((2.0, 2.0, 2.0))
    return image


def dice(first: np.ndarray, second: np.ndarray) -> float:
    return 2 * (first & second).sum() / (first.sum() + second.sum())


@pytest.fixture
def ct() -> sitk.Image:
    """A head with a skull and a sinus on a curved table, foam of little density between them."""
    hu = np.where(HEAD, 40.0, -1000.0)
    hu[(RADIUS > 38) & (RADIUS < 42)] = 1200
    hu[SINUS] = -1000
    hu[20:80, 4:9, :] = -850
    hu[20:80, 2:4, :] = 250
    return to_image(hu.astype(np.float32), grid())


def test_the_table_is_air_and_the_head_stays_as_it_is(ct: sitk.Image):
    cleaned = to_array(remove_table(ct, ct_head(ct)))
    np.testing.assert_array_equal(cleaned[HEAD], to_array(ct)[HEAD])
    assert (cleaned[:, :8, :] == -1000).all()


def test_the_head_of_a_ct_includes_its_sinuses(ct: sitk.Image):
    head = to_array(ct_head(ct)) > 0
    assert head[SINUS].all()
    assert dice(head, HEAD) > 0.98


@pytest.mark.parametrize(("scalp", "skull", "brain"), [(900, 60, 500), (90, 15, 700)], ids=["T1w", "T2w"])
def test_the_head_of_an_mr_scan_includes_dark_scalp_skull_and_air(scalp: float, skull: float, brain: float):
    noise = np.random.default_rng(5).normal(0, 15, (2, *SHAPE))
    signal = np.where(HEAD, scalp, 0.0)
    signal[RADIUS < 42] = skull
    signal[RADIUS < 38] = brain
    signal[SINUS] = 0
    scan = to_image(np.hypot(signal + noise[0], noise[1]).astype(np.float32), grid())
    head = to_array(mr_head(scan)) > 0
    assert head[SINUS].all()
    assert dice(head, HEAD) > 0.98


def test_the_head_of_a_scan_that_was_shifted_is_the_same():
    """Scalp below 0 is still scalp."""
    noise = np.random.default_rng(5).normal(0, 15, (2, *SHAPE))
    signal = np.where(HEAD, 90.0, 0.0)
    signal[RADIUS < 38] = 700
    scan = to_image(np.hypot(signal + noise[0], noise[1]).astype(np.float32), grid())
    plain, values = to_array(mr_head(scan)) > 0, to_array(scan)
    assert dice(plain, HEAD) > 0.98
    for moved in ((scan - float(values.mean())) / float(values.std()), scan + 3000.0, scan - 250.0):
        assert dice(to_array(mr_head(moved)) > 0, plain) > 0.9999


def test_a_scan_without_a_head_is_no_reason_to_fall_over():
    assert to_array(mr_head(grid())).shape == SHAPE
    assert not to_array(ct_head(grid() - 1000.0)).any()


def test_holes_are_filled_where_a_slice_encloses_them():
    tube = np.zeros((9, 9, 9), bool)
    tube[2:7, 2:7, :] = True
    tube[4, 4, :] = False
    assert fill_slices(tube)[4, 4, :].all()
    assert fill_slices(tube).sum() == 25 * 9
