"""Estimated means with what is needed to test them."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from ablation.report.statistics.bootstrap import LEVEL
from ablation.report.statistics.signed_rank import DECIMALS


@dataclass(frozen=True)
class Estimates:
    """Means of K tables of differences or scores, with their t intervals and tests against 0.

    Args:
        mean, standard_error, degrees_of_freedom: (K,) float, NaN where there is none.
        patients, networks: (K,) int, how many of each there are values of.
        patient_variance, network_variance, rest_variance: (K,) float, variance components of a single
            value, never negative, NaN where this design cannot give one.
        network_spread: (K,) float, standard deviation of the means of each network (n - 1).
        methods: how each was made, or why there is none.
    """

    mean: np.ndarray
    standard_error: np.ndarray
    degrees_of_freedom: np.ndarray
    patients: np.ndarray
    networks: np.ndarray
    patient_variance: np.ndarray
    network_variance: np.ndarray
    rest_variance: np.ndarray
    network_spread: np.ndarray
    methods: list[str]

    @property
    def half_width(self) -> np.ndarray:
        """Half the width of the 95 % interval."""
        return stats.t.ppf((1 + LEVEL) / 2, self.degrees_of_freedom) * self.standard_error

    @property
    def low(self) -> np.ndarray:
        """Lower end of the 95 % interval."""
        return self.mean - self.half_width

    @property
    def high(self) -> np.ndarray:
        """Upper end of the 95 % interval."""
        return self.mean + self.half_width

    @property
    def p(self) -> np.ndarray:
        """Two-sided p of the mean being 0."""
        return 2 * stats.t.sf(np.abs(self.statistic(0.0)), self.degrees_of_freedom)

    def statistic(self, null: float) -> np.ndarray:
        """Return t of the mean being `null`.

        Where all values are equal there is no error to divide by: t is infinite, as in SciPy, or 0 if they
        equal `null`.
        """
        away = np.round(self.mean - null, DECIMALS)
        without_error = np.where(away == 0, 0.0, np.copysign(np.inf, away))
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.standard_error == 0, without_error, away / self.standard_error)
