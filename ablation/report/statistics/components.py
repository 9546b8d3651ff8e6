"""Variance components of scores, and of differences between two arms."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import combinations

import numpy as np

PATIENT, NETWORK, REPLICATE = 0, 1, 2
"""Axes of a table."""


@dataclass(frozen=True)
class Components:
    """Variance components of a single value, NaN where the design cannot give one.

    Args:
        patient: between patients.
        network: between pretrained networks.
        fold_and_seed: between the trainings that start from one pretrained network, whether the networks
            agree on which fold or seed is the better or not.
        rest: that patients rank differently under different networks, folds and seeds; all that is left.
    """

    patient: float
    network: float
    fold_and_seed: float
    rest: float

    @property
    def shares(self) -> dict[str, float]:
        """Shares of the sum of those that are known; NaN where nothing varies."""
        values = asdict(self)
        total = float(np.nansum(list(values.values())))
        return {name: value / total if total > 0 else np.nan for name, value in values.items()}


def variance_components(values: np.ndarray) -> Components:
    """Return the variance components of a table of scores or of differences between two arms.

    Args:
        values: (P, N, R), patients by pretrained networks by folds and seeds. With one replicate, or folds
            and seeds averaged, R is 1; where each fold has a network of its own, N is the folds and R 1,
            and `network` holds what folds add. A patient without a value somewhere is left out.

    The estimates of the analysis of variance of a whole table with crossed random effects (Searle, Casella
    and McCulloch, Variance Components, 1992, ch. 4), unbiased but for negative ones, which are set to 0. An
    axis of length 1 has no component of its own: its share is in the others. Where only one axis is longer,
    its component holds the rest too.

    From few networks a component is poorly known: with 3, the 95 % interval of a standard deviation is from
    half to six times the estimate.
    """
    whole = values[np.isfinite(values).all(axis=(NETWORK, REPLICATE))]
    axes = tuple(axis for axis in range(whole.ndim) if whole.shape[axis] > 1)
    if whole.size < 2:
        return Components(np.nan, np.nan, np.nan, np.nan)
    squares = {effect: _mean_square(whole, effect) for effect in _subsets(axes)}
    found = {effect: max(float(_component(whole, effect, squares)), 0.0) for effect in squares}
    rest = found.pop(axes) if len(axes) > 1 else np.nan
    named = {
        "patient": found.pop((PATIENT,), np.nan),
        "network": found.pop((NETWORK,), np.nan),
        "fold_and_seed": found.pop((REPLICATE,), np.nan) + found.pop((NETWORK, REPLICATE), 0.0),
    }
    return Components(**named, rest=rest + sum(found.values()))


def _subsets(axes: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """All but the empty one, the smaller first."""
    for size in range(1, len(axes) + 1):
        yield from combinations(axes, size)


def _mean_square(values: np.ndarray, effect: tuple[int, ...]) -> float:
    """Mean square of a main effect or an interaction: of the means less all lower effects."""
    others = tuple(axis for axis in range(values.ndim) if axis not in effect)
    means = values.mean(axis=others, keepdims=True)
    for axis in effect:
        means = means - means.mean(axis=axis, keepdims=True)
    freedom = np.prod([values.shape[axis] - 1 for axis in effect])
    return float((means**2).sum() * values.size / means.size / freedom)


def _component(values: np.ndarray, effect: tuple[int, ...], squares: dict[tuple[int, ...], float]) -> float:
    """Solve the expected mean squares: those of all effects that hold this one, with alternating signs."""
    total = sum(
        (-1) ** (len(other) - len(effect)) * square
        for other, square in squares.items()
        if set(effect) <= set(other)
    )
    return total / np.prod([values.shape[axis] for axis in range(values.ndim) if axis not in effect])
