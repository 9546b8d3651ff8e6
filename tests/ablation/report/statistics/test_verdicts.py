"""What a reader is told of a pair of arms."""

import math

import numpy as np
import pytest

from ablation.report.statistics.crossed import crossed
from ablation.report.statistics.equivalence import equivalence
from ablation.report.statistics.verdicts import verdicts


@pytest.mark.parametrize(
    ("difference", "p", "p_equivalence", "expected"),
    [
        (0.03, 0.01, math.nan, "better"),
        (-0.03, 0.01, math.nan, "worse"),
        (0.03, 0.20, math.nan, "cannot tell"),
        (0.03, 0.01, 0.90, "better"),
        (0.001, 0.80, 0.01, "practically equal"),
        (0.004, 0.01, 0.01, "practically equal"),  # real, and smaller than any that matters
        (-0.004, 0.01, 0.01, "practically equal"),
        (0.004, 0.30, 0.30, "cannot tell"),
        (0.03, 0.05, 0.05, "cannot tell"),
        (0.03, math.nan, math.nan, "cannot tell"),
    ],
)
def test_each_outcome_of_the_two_tests_has_its_word(
    difference: float, p: float, p_equivalence: float, expected: str
) -> None:
    found = verdicts(np.array([difference]), np.array([p]), np.array([p_equivalence]))
    assert found == [expected]


def test_a_shorter_distance_is_better() -> None:
    found = verdicts(np.array([-1.0, 1.0]), np.zeros(2), np.full(2, math.nan), larger_is_better=False)
    assert found == ["better", "worse"]


def test_from_tables_to_words() -> None:
    """Three pairs on 14 patients and 5 networks: far apart, close together, and too noisy to tell."""
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((3, 14, 5)) + rng.standard_normal((3, 1, 5))
    found = crossed(
        np.array([0.2, 0.001, 0.02])[:, None, None] + np.array([0.01, 0.002, 0.1])[:, None, None] * noise
    )
    assert verdicts(found.mean, found.p, equivalence(found, 0.01)) == [
        "better",
        "practically equal",
        "cannot tell",
    ]
