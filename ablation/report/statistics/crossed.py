"""Means over patients and pretrained networks, with both taken as drawn at random.

Arrays in, arrays out. What is averaged are paired differences between two arms on the same pretrained network
and the same patient (or an arm's scores), folds and seeds averaged before.

Coverage of the nominal 95 % interval in per cent, simulated by `tests/benchmarks/crossed_coverage.py` (20,000
draws a figure, seed 20240109): lowest to highest over seven shares of the variance that networks have, from 0
to 0.8. Patients and the rest have half each of what is left.

===================  ============  ============  ==============  ===================
patients x networks  normal        skewness 2    skewness 3.7    over patients alone
===================  ============  ============  ==============  ===================
14 x 5               95.6 to 96.1  94.2 to 96.1  93.9 to 96.2    36.7 to 95.0
14 x 3               94.7 to 96.5  95.0 to 95.8  94.7 to 95.6    30.8 to 95.1
14 x 2               89.9 to 96.6  89.8 to 96.1  89.9 to 95.8    26.4 to 95.1
6 x 3                95.6 to 97.0  95.7 to 96.7  95.6 to 97.0    49.0 to 95.1
3 x 3                97.5 to 98.4  97.2 to 98.5  97.2 to 98.5    75.3 to 95.0
===================  ============  ============  ==============  ===================

The test at 5 % is false positive in 3.9 to 4.4 % of draws with 14 x 5, 3.5 to 5.3 % with 14 x 3, 3.4 to 10.1
% with 14 x 2 (normal effects); that over patients alone in 5 to 63, 5 to 69 and 5 to 74 %.

With normal effects and patients' shares of a tenth or nine tenths, 14 x 5 is at 95.1 to 97.1 and 14 x 3 at
94.4 to 97.3. Two networks say too little of how networks differ. Where nine tenths of the variance lie
between very skewed patients and networks have none, 14 x 5 falls to 91.6 (skewness 2) and 89.3 (3.7), as
Student's t over 14 such patients does (91.4 and 89.0). Hall's transformation (J. R. Stat. Soc. B 54:221,
1992) would make that 94.2 and 92.4, but it is not used: of 14 patients with 13 near -0.05 and one at 0.05 it
says p = 0.2, where the signed-rank test says 0.003.

statsmodels' MixedLM fits the same model by iteration, and on a whole table finds the same components where
none is negative. But it takes 0.1 s for one pair of arms, where this takes 0.02 s for the 780 pairs of 40,
and its intervals are those of the normal distribution, without degrees of freedom.
"""

import numpy as np

from ablation.report.statistics.estimates import Estimates
from ablation.report.statistics.signed_rank import DECIMALS

CROSSED = "patients and pretrained networks crossed"
ONE_NETWORK = "over patients; holds for this one pretrained network"
ONE_PATIENT = "over pretrained networks; holds for this one patient"
NO_PATIENT = "none: no patient has a value under every pretrained network"
ONE_VALUE = "none: 1 patient, 1 pretrained network"
NO_SPREAD = "all values are equal"
SMALLEST_SQUARE = 10.0 ** (-2 * DECIMALS)
"""A mean square below is rounding: the values are equal."""


def crossed(values: np.ndarray) -> Estimates:
    """Return means over patients and networks with their t intervals, every patient under every network.

    Args:
        values: (K, P, N), a table for each of K quantities, a row a patient, a column a pretrained network,
            NaN where there is no value.

    The model is y_ij = mean + patient_i + network_j + rest_ij, all random (Searle, Casella and McCulloch,
    Variance Components, 1992, ch. 4); `standard_error` says what it makes of the mean squares.

    With one network nothing is known of others: Student's interval over patients, which holds for this
    network. With one patient it is the other way round. A patient without a value under some network is
    left out, since a mean over the other networks would not be of the same networks, and the closed form
    needs whole tables; a network without any value is left out first. A single value has no interval.
    """
    used = np.isfinite(values).any(axis=1)
    whole = (np.isfinite(values) | ~used[:, None, :]).all(axis=2) & used.any(axis=1)[:, None]
    patients, networks = whole.sum(axis=1), used.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean, a, b, e = _mean_squares(values, whole, used)
        error, freedom = standard_error(a, b, e, patients, networks)
        return Estimates(
            mean=mean,
            standard_error=error,
            degrees_of_freedom=freedom,
            patients=patients,
            networks=networks,
            patient_variance=np.where(networks == 1, a, np.maximum(a - e, 0) / networks),
            network_variance=np.where(patients == 1, b, np.maximum(b - e, 0) / patients),
            rest_variance=e,
            network_spread=np.sqrt(b / patients),
            methods=_methods(patients, networks, error),
        )


def standard_error(
    a: np.ndarray, b: np.ndarray, e: np.ndarray, patients: np.ndarray, networks: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the standard error of a mean and its degrees of freedom, each (K,).

    Args:
        a, b, e: mean squares A between patients, B between networks and E of the rest; NaN where there is
            one patient or one network.
        patients, networks: their numbers, P and N.

    The variance is (A + B - E) / (P N), and never less than that of the larger of the two one-way analyses,
    max(A, B) / (P N). The degrees of freedom of A + B - E are Satterthwaite's (Biometrics Bulletin 2:110,
    1946), but never more than those of the larger of A and B. Where few networks make most of the error,
    Satterthwaite's are too many, since the same draw that makes B small makes them large. Without this limit
    14 patients and 3 networks cover 92.8 % at worst, with it 94.4 % (normal effects, as above).
    """
    larger = np.fmax(a, b)
    most = np.where((a >= b) | np.isnan(b), patients - 1.0, networks - 1.0)
    total = a + b - e
    with np.errstate(divide="ignore", invalid="ignore"):
        weights = a**2 / (patients - 1) + b**2 / (networks - 1) + e**2 / ((patients - 1) * (networks - 1))
        satterthwaite = total**2 / weights
        error = np.sqrt(np.fmax(total, larger) / (patients * networks))
    freedom = np.where(total > larger, np.fmin(satterthwaite, most), most)
    return error, np.where(np.isnan(error), np.nan, freedom)


def _mean_squares(values: np.ndarray, whole: np.ndarray, used: np.ndarray) -> list[np.ndarray]:
    """Mean of the cells of whole patients (K, P) and used networks (K, N), and the squares A, B and E."""
    patients, networks = whole.sum(axis=1), used.sum(axis=1)
    cells = whole[:, :, None] & used[:, None, :]
    kept = np.where(cells, values, 0.0)
    mean = kept.sum(axis=(1, 2)) / (patients * networks)
    rows = kept.sum(axis=2) / networks[:, None] - mean[:, None]
    columns = kept.sum(axis=1) / patients[:, None] - mean[:, None]
    left = kept - mean[:, None, None] - rows[:, :, None] - columns[:, None, :]
    squares = (
        networks * _sum_of_squares(rows, whole) / (patients - 1),
        patients * _sum_of_squares(columns, used) / (networks - 1),
        _sum_of_squares(left, cells) / ((patients - 1) * (networks - 1)),
    )
    return [mean, *(np.where(square < SMALLEST_SQUARE, 0.0, square) for square in squares)]


def _methods(patients: np.ndarray, networks: np.ndarray, error: np.ndarray) -> list[str]:
    """How each mean was made."""
    counts = zip(patients.tolist(), networks.tolist(), error.tolist(), strict=True)
    return [_method(*count) for count in counts]


def _method(patients: int, networks: int, error: float) -> str:
    if patients == 0:
        return NO_PATIENT
    if patients == networks == 1:
        return ONE_VALUE
    design = ONE_NETWORK if networks == 1 else ONE_PATIENT if patients == 1 else CROSSED
    return f"{design}; {NO_SPREAD}" if error == 0 else design


def _sum_of_squares(values: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """(K,), over all but the first axis where `kept`."""
    return np.where(kept, values**2, 0.0).reshape(len(values), -1).sum(axis=1)
