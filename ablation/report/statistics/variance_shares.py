"""Shares of the variance of a whole table that factors and their interactions have."""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

SHARES = ["factor", "importance", "f", "p"]
REST = "rest"
TIMES = " x "
"""Between the names of an interaction."""
ROUNDING = 1e-20
"""Mean squares below are rounding."""


def variance_shares(values: np.ndarray, names: Sequence[str], repeats: str) -> pd.DataFrame:
    """Return what each factor and each interaction of two explains, the largest first, then the rest.

    Args:
        values: an axis a factor, a value a combination of their levels.
        names: of the axes.
        repeats: the factor whose levels repeat an experiment, such as `fold`.

    Returns:
        `SHARES`: `importance` is the share of the sum of squares, all together 1; `rest`, left out where
        there is none, holds the interactions of three factors and more. `f` is the mean square over that of
        the interaction with `repeats`, which is taken as drawn at random, and `p` that of the F test
        (Montgomery, Design and Analysis of Experiments, 2017, ch. 13): empty where the table has no such
        interaction, and for `repeats` itself.
    """
    axes = [axis for axis, length in enumerate(values.shape) if length > 1]
    squares = {
        effect: _squares(values, effect)
        for size in range(1, min(len(axes), 3) + 1)
        for effect in combinations(axes, size)
    }
    total = float(((values - values.mean()) ** 2).sum())
    repeated = names.index(repeats) if repeats in names else None
    rows: list[dict[str, Any]] = [
        {
            "factor": TIMES.join(names[axis] for axis in effect),
            "importance": found[0] / total,
            **_test(squares, effect, repeated),
        }
        for effect, found in squares.items()
        if len(effect) < 3
    ]
    rows.sort(key=lambda row: -row["importance"])
    if len(axes) > 2:
        left = max(0.0, 1 - sum(row["importance"] for row in rows))
        rows.append({"factor": REST, "importance": left, "f": np.nan, "p": np.nan})
    return pd.DataFrame(rows, columns=SHARES)


def _squares(values: np.ndarray, effect: tuple[int, ...]) -> tuple[float, int]:
    """Sum of squares of a main effect or an interaction, and its degrees of freedom."""
    others = tuple(axis for axis in range(values.ndim) if axis not in effect)
    means = values.mean(axis=others, keepdims=True)
    for axis in effect:
        means = means - means.mean(axis=axis, keepdims=True)
    freedom = int(np.prod([values.shape[axis] - 1 for axis in effect]))
    return float((means**2).sum()) * values.size / means.size, freedom


def _test(
    squares: dict[tuple[int, ...], tuple[float, int]], effect: tuple[int, ...], repeated: int | None
) -> dict[str, float]:
    """F and p of an effect against its interaction with what repeats."""
    error = None if repeated is None else squares.get(tuple(sorted((*effect, repeated))))
    if error is None or repeated in effect or error[0] / error[1] < ROUNDING:
        return {"f": np.nan, "p": np.nan}
    own, freedom = squares[effect]
    f = own / freedom / (error[0] / error[1])
    return {"f": f, "p": float(stats.f.sf(f, freedom, error[1]))}
