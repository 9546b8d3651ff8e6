"""The correction for many tests: numbers worked by hand, and simulated patients."""

import numpy as np
import pytest

from ablation.report.statistics.multiple_testing import holm
from ablation.report.statistics.signed_rank import signed_rank


def test_holm_by_hand() -> None:
    # In order 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1 are 0.02, 0.03, 0.06, 0.04; the last is raised.
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_stops_at_one_and_does_not_count_what_was_not_tested() -> None:
    adjusted = holm(np.array([0.4, np.nan, 0.6]))
    assert adjusted[[0, 2]] == pytest.approx([0.8, 0.8])
    assert np.isnan(adjusted[1])
    assert holm(np.array([])).size == 0


def test_after_holm_a_false_positive_among_arms_that_are_equal_is_rare() -> None:
    """Ten arms against one, so the tests are dependent; without correction a quarter of the draws err."""
    rng = np.random.default_rng(3)
    raw = corrected = 0
    for _ in range(60):
        scores = rng.normal(size=(11, 9))
        p = np.array([signed_rank(scores[0] - other).p for other in scores[1:]])
        raw += p.min() < 0.05
        corrected += holm(p).min() < 0.05
    assert raw > 12
    assert corrected <= 5
