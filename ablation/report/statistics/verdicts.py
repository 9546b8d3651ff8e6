"""What a comparison of two arms comes to, in words."""

import numpy as np

BETTER = "better"
WORSE = "worse"
EQUAL = "practically equal"
UNKNOWN = "cannot tell"
ERROR = 0.05
"""Of the test of a difference, two-sided, and of each of the two one-sided tests of equivalence."""


def verdicts(
    difference: np.ndarray, p: np.ndarray, p_equivalence: np.ndarray, *, larger_is_better: bool = True
) -> list[str]:
    """Return of each pair of arms whether the first is better, worse or practically equal, or cannot be told.

    Args:
        difference: (K,), first - second.
        p: (K,), two-sided, of no difference: corrected by Holm's method for exploratory comparisons, as it is
            for a primary comparison that was stated before the first trial. NaN where there is no test.
        p_equivalence: (K,), as from `equivalence`; NaN where no margin was stated.
        larger_is_better: false for distances.

    The two tests answer different questions, and both may be significant: the difference is real and smaller
    than any that matters. That is `practically equal`, as a trial of equivalence judges by whether the
    interval lies inside the margin and not by whether it holds 0 (CONSORT extension, Piaggio et al., JAMA
    308:2594, 2012; Lakens, Soc. Psychol. Personal. Sci. 8:355, 2017, "statistically different and
    equivalent"). Neither significant is `cannot tell`: a large p alone does not make arms equal. So without
    a margin no arm is called equal, and a real difference of any size is better or worse.
    """
    sign = 1 if larger_is_better else -1
    found = np.select(
        [p_equivalence < ERROR, (p < ERROR) & (sign * difference > 0), (p < ERROR) & (sign * difference < 0)],
        [EQUAL, BETTER, WORSE],
        default=UNKNOWN,
    )
    return found.tolist()
