"""Tables of differences between two arms, drawn from known random effects."""

from typing import Literal

import numpy as np

Effects = Literal["normal", "exponential", "lognormal"]
LOGNORMAL = 0.8
"""Standard deviation of its logarithm: a skewness of 3.7, where the exponential distribution has 2."""


def random_tables(
    draws: int,
    patients: int,
    networks: int,
    *,
    network_share: float,
    patient_share: float = 0.5,
    effects: Effects = "normal",
    seed: int = 20240109,
) -> np.ndarray:
    """Draw tables (draws, patients, networks) whose values have mean 0 and variance 1.

    Args:
        network_share: of the variance, the networks'.
        patient_share: the patients' of what is left; the others' is the rest's.
        effects: how patients are distributed. Networks and the rest are normal.
    """
    rng = np.random.default_rng(seed)
    of_patients = _standard(rng, (draws, patients, 1), effects)
    of_networks = rng.standard_normal((draws, 1, networks))
    rest = rng.standard_normal((draws, patients, networks))
    left = 1 - network_share
    return (
        np.sqrt(left * patient_share) * of_patients
        + np.sqrt(network_share) * of_networks
        + np.sqrt(left * (1 - patient_share)) * rest
    )


def rotated(tables: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Return (draws, patients): each patient's value under the network of its fold alone."""
    return tables[:, np.arange(tables.shape[1]), folds]


def _standard(rng: np.random.Generator, shape: tuple[int, ...], effects: Effects) -> np.ndarray:
    """Draws of mean 0 and variance 1."""
    if effects == "normal":
        return rng.standard_normal(shape)
    if effects == "exponential":
        return rng.exponential(size=shape) - 1
    growth = np.exp(LOGNORMAL**2)
    return (np.exp(LOGNORMAL * rng.standard_normal(shape)) - np.sqrt(growth)) / np.sqrt((growth - 1) * growth)
