"""How many pretrained networks it takes to tell arms apart."""

import numpy as np
from scipy import stats

from ablation.report.statistics.bootstrap import LEVEL, count_patients
from ablation.report.statistics.crossed import standard_error
from ablation.report.statistics.estimates import Estimates
from ablation.report.statistics.power import ERROR, POWER

MOST_NETWORKS = 1024
"""Where the search ends (ours): more than anybody trains."""
MOST_SIZE = 30.0
"""In standard errors: the power is 1 long before, and SciPy's noncentral t fails far above."""


def expected_error(
    estimates: Estimates, patients: np.ndarray, networks: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the standard error that a crossed design would have, and its degrees of freedom, each (K,).

    Args:
        estimates: as from `crossed`, with two patients and two networks or more; their variance components
            are taken for the true ones.
        patients, networks: (K,), the numbers of the design, two or more.
    """
    rest = estimates.rest_variance
    by_patient = rest + networks * estimates.patient_variance
    by_network = rest + patients * estimates.network_variance
    return standard_error(by_patient, by_network, rest, patients, networks)


def networks_needed(estimates: Estimates) -> np.ndarray:
    """Return how many pretrained networks would tell the arms of each difference apart, (K,) float.

    With 80 % power at a two-sided 5 %, on as many patients as there are, if the true difference and the
    variance components are those that were seen: the first number at which the noncentral t distribution
    reaches it (Cohen, Statistical Power Analysis, 1988, ch. 2). Infinite where `MOST_NETWORKS` are too few:
    networks leave the patients' share of the error as it is. NaN where patients and networks were not
    crossed. It is a guide for the next study and no judgement of this one, whose p is what was found.
    """
    known = np.isfinite(estimates.rest_variance)
    enough = np.full(len(known), MOST_NETWORKS)
    too_few = np.full(len(known), 1)
    for _ in range(int(np.log2(MOST_NETWORKS))):
        middle = (too_few + enough + 1) // 2
        reached = _power(estimates, middle) >= POWER
        enough, too_few = np.where(reached, middle, enough), np.where(reached, too_few, middle)
    possible = _power(estimates, enough) >= POWER
    return np.where(known, np.where(possible, enough, np.inf), np.nan)


def describe_networks(estimates: Estimates, *, network: str = "pretrained network") -> list[str]:
    """Say what another pretrained network would change of each difference, and how many it takes to know.

    Args:
        estimates: of differences, as from `crossed`.
        network: its name in the singular, `pretrained network`, or `pretrained network with its fold` where
            each fold has a network of its own.
    """
    needed = networks_needed(estimates)
    return [_describe(estimates, row, number, network) for row, number in enumerate(needed.tolist())]


def _describe(estimates: Estimates, row: int, needed: float, network: str) -> str:
    patients, networks = int(estimates.patients[row]), int(estimates.networks[row])
    if networks < 2 or patients < 2:
        return f"{count_patients(patients)}, {_count(networks, network)}: two of each are needed to say this."
    if estimates.standard_error[row] == 0:
        return f"All values are equal: another {network} can be expected to change nothing."
    spread = float(estimates.network_spread[row])
    low, high = _spread_interval(spread, networks)
    number = _count(int(needed), network) if np.isfinite(needed) else f"no number of {_plural(network)}"
    verb = "tell" if np.isfinite(needed) else "tells"
    return (
        f"Another {network} would move this difference by {spread:.3f} (standard deviation over "
        f"{_count(networks, network)}, 95 % interval {low:.3f} to {high:.3f}). If the true difference is "
        f"{abs(float(estimates.mean[row])):.3f}, as seen here, {number} {verb} these arms apart with these "
        f"{patients} patients (80 % power, two-sided 5 %)."
    )


def _spread_interval(spread: float, networks: int) -> tuple[float, float]:
    """Chi-squared interval of a standard deviation, for normal network effects."""
    tails = stats.chi2.ppf([(1 + LEVEL) / 2, (1 - LEVEL) / 2], networks - 1)
    low, high = spread * np.sqrt((networks - 1) / tails)
    return float(low), float(high)


def _count(number: int, network: str) -> str:
    return f"1 {network}" if number == 1 else f"{number} {_plural(network)}"


def _plural(network: str) -> str:
    """`pretrained networks`, `pretrained networks with their folds`."""
    return network.replace("network", "networks", 1).replace(" its fold", " their folds")


def _power(estimates: Estimates, networks: np.ndarray) -> np.ndarray:
    """Power of the two-sided test finding the difference with its right sign, (K,)."""
    error, freedom = expected_error(estimates, estimates.patients, networks)
    with np.errstate(divide="ignore", invalid="ignore"):
        size = np.abs(estimates.mean) / error
    found = stats.nct.sf(stats.t.ppf(1 - ERROR / 2, freedom), freedom, np.minimum(size, MOST_SIZE))
    return np.where(np.isfinite(size), found, size)
