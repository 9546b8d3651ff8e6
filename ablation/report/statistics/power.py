"""What a paired test of so many patients could have shown."""

import math
from functools import cache

import numpy as np
from scipy import stats
from statsmodels.stats.power import TTestPower

ERROR, POWER = 0.05, 0.80


def smallest_detectable(spread: float, patients: int) -> float:
    """Return the mean paired difference that a two-sided test at 5 % finds with 80 % power.

    It is in the scores' units. From the noncentral t distribution of the paired t test (Cohen, Statistical
    Power Analysis, 1988, ch. 2): it assumes normal differences whose spread is the observed standard
    deviation, itself poorly known from few patients; it is for one comparison, and after Holm's correction
    more is needed. NaN for fewer than two patients, and where they do not differ.
    """
    return spread * _detectable_effect(patients) if patients > 1 and spread > 0 else math.nan


def smallest_difference(error: np.ndarray, freedom: np.ndarray) -> np.ndarray:
    """Return the differences that two-sided t tests at 5 % find with 80 % power.

    The sum of two quantiles of Student's t in place of the noncentral t: a little too small for two or three
    degrees of freedom.

    Args:
        error: (K,), standard errors of the differences.
        freedom: (K,), degrees of freedom.
    """
    quantiles = stats.t.ppf(1 - ERROR / 2, freedom) + stats.t.ppf(POWER, freedom)
    return np.where(error > 0, error * quantiles, np.nan)


@cache
def _detectable_effect(patients: int) -> float:
    """The detectable mean difference in standard deviations of the differences.

    Asked for one side at half the error: that is the two-sided test finding the difference with its right
    sign. Asked for two sides, statsmodels also finds effects of the wrong sign (with 73 patients, -0.33).
    """
    found = TTestPower().solve_power(nobs=patients, alpha=ERROR / 2, power=POWER, alternative="larger")
    return float(found)
