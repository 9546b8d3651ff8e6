"""What a paired test of so many patients could have shown."""

import math
from functools import cache

import numpy as np
from scipy import optimize, stats
from statsmodels.stats.power import TTestPower

from ablation.report.statistics.signed_rank import rank_sum_distribution, smallest_p

ERROR, POWER = 0.05, 0.80
CELLS, SEED = 300_000, 20240109
"""Differences that are simulated."""
TOLERANCE = 0.005
"""Of what is simulated, in standard deviations."""
MOST_SIMULATED = 50
"""Patients up to which the signed-rank test's power is simulated (ours)."""
EFFICIENCY = 3 / math.pi
"""Of the signed-rank test beside the t test, for many patients and normal differences (Lehmann,
Nonparametrics, 1975, ch. 2)."""


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
def detectable_in_errors(freedom: float) -> float:
    """Return the difference, in its standard errors, that a two-sided t test at 5 % finds with 80 % power.

    From the noncentral t distribution, as `smallest_detectable`.
    """
    critical = stats.t.ppf(1 - ERROR / 2, freedom)
    return float(
        optimize.brentq(lambda size: stats.nct.sf(critical, freedom, size) - POWER, 0.1, 3 * critical)
    )


@cache
def detectable_by_signed_rank(patients: int) -> float:
    """Return the shift, in standard deviations, that the exact signed-rank test finds with 80 % power.

    Of normal differences. With few patients it is more than the t test's: six must all agree. Infinite below
    six patients, where no result is significant at a two-sided 5 %. Simulated, since no closed form is exact.
    """
    if smallest_p(patients) > ERROR or patients == 0:
        return math.inf
    if patients > MOST_SIMULATED:
        return _detectable_effect(patients) / math.sqrt(EFFICIENCY)
    needed = _significant_rank_sum(patients)
    draws = np.random.default_rng(SEED).standard_normal((CELLS // patients, patients))

    def found(shift: float) -> float:
        moved = draws + shift
        sums = np.where(moved > 0, stats.rankdata(np.abs(moved), axis=1), 0.0).sum(axis=1)
        return float((sums >= needed).mean())

    low, high = 0.0, 4.0
    while high - low > TOLERANCE:
        middle = (low + high) / 2
        low, high = (low, middle) if found(middle) >= POWER else (middle, high)
    return high


def _significant_rank_sum(patients: int) -> int:
    """Return the smallest sum of positive ranks that is significant at a two-sided 5 %."""
    tail = np.cumsum(rank_sum_distribution(np.arange(1, patients + 1))[::-1])
    most = patients * (patients + 1) // 2
    return most + 1 - int((2 * tail <= ERROR).sum())


@cache
def _detectable_effect(patients: int) -> float:
    """The detectable mean difference in standard deviations of the differences.

    Asked for one side at half the error: that is the two-sided test finding the difference with its right
    sign. Asked for two sides, statsmodels also finds effects of the wrong sign (with 73 patients, -0.33).
    """
    found = TTestPower().solve_power(nobs=patients, alpha=ERROR / 2, power=POWER, alternative="larger")
    return float(found)
