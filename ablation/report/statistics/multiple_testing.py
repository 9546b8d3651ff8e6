"""Correction of p values for their number."""

import numpy as np
from statsmodels.stats.multitest import multipletests

from ablation.record.garbage import nothing_to_collect


def holm(p: np.ndarray) -> np.ndarray:
    """Adjust p values (m,) for being m in number, so that the chance of any false positive is kept.

    Holm's step-down procedure (Scand. J. Stat. 6:65-70, 1979): the k-th smallest times m - k + 1, never
    below the one before. NaN is not counted and stays NaN. Valid whatever the dependence between tests.
    """
    adjusted, tested = np.full(len(p), np.nan), np.isfinite(p)
    if tested.any():
        with nothing_to_collect():  # statsmodels searches each time, which takes longer than all else here
            adjusted[tested] = multipletests(p[tested], method="holm")[1]
    return adjusted
