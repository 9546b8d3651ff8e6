"""Correction of p values for their number."""

import numpy as np
from statsmodels.stats.multitest import multipletests


def holm(p: np.ndarray) -> np.ndarray:
    """Adjust p values (m,) for being m in number, so that the chance of any false positive is kept.

    Holm's step-down procedure (Scand. J. Stat. 6:65-70, 1979): the k-th smallest times m - k + 1, never
    below the one before. NaN is not counted and stays NaN. Valid whatever the dependence between tests.
    """
    adjusted, tested = np.full(len(p), np.nan), np.isfinite(p)
    if tested.any():
        adjusted[tested] = multipletests(p[tested], method="holm")[1]
    return adjusted
