"""Probabilities are compared with what is there, as scikit-learn and a plain count have it."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from t1t2core.evaluation.calibration import BINS, calibrate

IGNORED = 255


@pytest.fixture
def given() -> tuple[np.ndarray, np.ndarray]:
    """Class probabilities of a small volume, and true classes drawn from other ones; a slice is unknown."""
    random = np.random.default_rng(3)
    logits = random.normal(0, 2, (3, 12, 10, 8))
    probabilities = (np.exp(logits) / np.exp(logits).sum(axis=0)).astype(np.float32)
    truth = random.integers(0, 3, (12, 10, 8)).astype(np.uint8)
    likely = probabilities.argmax(axis=0).astype(np.uint8)
    truth = np.where(random.random(truth.shape) < 0.6, likely, truth)
    truth[:, :, 0] = IGNORED
    return probabilities, truth


def test_the_brier_score_is_scikit_learn_s(given: tuple[np.ndarray, np.ndarray]) -> None:
    probabilities, truth = given
    known = truth != IGNORED
    for label, name in enumerate(("air", "soft_tissue", "bone")):
        expected = brier_score_loss(truth[known] == label, probabilities[label][known])
        assert calibrate(probabilities, truth)[name].brier == pytest.approx(expected, rel=1e-5)


def test_reliability_is_scikit_learn_s(given: tuple[np.ndarray, np.ndarray]) -> None:
    probabilities, truth = given
    known = truth != IGNORED
    found = calibrate(probabilities, truth)["bone"]
    share, mean = calibration_curve(truth[known] == 2, probabilities[2][known], n_bins=BINS)
    filled = np.array(found.voxels) > 0
    np.testing.assert_allclose((np.array(found.true) / np.maximum(found.voxels, 1))[filled], share)
    np.testing.assert_allclose(
        (np.array(found.probabilities) / np.maximum(found.voxels, 1))[filled], mean, rtol=1e-5
    )
    weights = np.array(found.voxels)[filled] / known.sum()
    assert found.ece == pytest.approx((weights * np.abs(share - mean)).sum(), rel=1e-5)


def test_one_who_is_always_sure_and_right_has_no_error_and_one_who_is_wrong_has_all() -> None:
    truth = np.array([[[0, 1, 2]]], np.uint8)
    right = np.stack([truth == label for label in (0, 1, 2)]).astype(np.float32)
    assert all((c.brier, c.ece) == (0.0, 0.0) for c in calibrate(right, truth).values())
    wrong = calibrate(np.roll(right, 1, axis=0), truth)
    assert wrong["air"].brier == pytest.approx(2 / 3), "two of three voxels are wrong for each class"


def test_patients_are_added_up(given: tuple[np.ndarray, np.ndarray]) -> None:
    probabilities, truth = given
    halves = [calibrate(probabilities[:, part], truth[part])["bone"] for part in (slice(0, 5), slice(5, 12))]
    whole = calibrate(probabilities, truth)["bone"]
    assert (halves[0] + halves[1]).brier == pytest.approx(whole.brier)
    assert (halves[0] + halves[1]).ece == pytest.approx(whole.ece)


def test_where_nothing_is_known_nothing_is_said() -> None:
    nothing = calibrate(np.full((3, 2, 2, 2), 1 / 3, np.float32), np.full((2, 2, 2), IGNORED, np.uint8))
    assert all(np.isnan([c.brier, c.ece]).all() for c in nothing.values())
