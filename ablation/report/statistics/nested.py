"""Means over groups of patients that share what they were tested with."""

from dataclasses import replace

import numpy as np
import pandas as pd

from ablation.report.statistics.crossed import NO_SPREAD, crossed
from ablation.report.statistics.estimates import Estimates


def nested(values: np.ndarray, groups: np.ndarray) -> Estimates:
    """Return means with t intervals over the means of groups, where each patient is in one group.

    Args:
        values: (K, P), a row a quantity, a column a patient, NaN where a patient has no value.
        groups: (P,), what a patient's test shares with that of others: the fold where test patients rotate,
            and with it the trained networks.

    Patients that share a network are no independent draws, so that the groups' means are taken as the
    values: each group weighs the same and the interval is Student's over groups. A patient without a value
    is left out, and so is a group without patients. Where there is one group only, nothing is known of
    others: the interval is over its patients and holds for their network.

    `networks` is the number of groups, `network_variance` the component between them, and `patient_variance`
    that between the patients of a group, which holds the rest too (one-way analysis of variance, Searle,
    Casella and McCulloch, Variance Components, 1992, ch. 3). Groups that share training patients are less
    independent than this takes them for (Nadeau and Bengio, Machine Learning 52:239, 2003).

    With 14 patients in three folds the test at 5 % is false positive in 4.8 to 5.1 % of draws, whatever share
    of the variance networks have; the signed-rank test over patients in 8.8, 22 and 39 % where that share is
    0.1, 0.4 and 0.8 (`tests/benchmarks/crossed_coverage.py`).
    """
    names, codes = np.unique(groups, return_inverse=True)
    if len(names) < 2:
        return crossed(values[:, :, None])
    by_group = pd.DataFrame(values.T).groupby(codes)
    sizes, means = by_group.count().to_numpy().T, by_group.mean().to_numpy().T
    found = crossed(means[:, None, :])
    with np.errstate(divide="ignore", invalid="ignore"):
        squares = np.where(sizes > 1, by_group.var().to_numpy().T * (sizes - 1), 0.0).sum(axis=1)
        within = squares / (sizes - 1).clip(min=0).sum(axis=1)
        of_a_mean = within * np.where(sizes > 0, 1 / sizes, 0.0).sum(axis=1) / found.networks
    return replace(
        found,
        patients=sizes.sum(axis=1),
        patient_variance=within,
        network_variance=np.maximum(found.network_variance - of_a_mean, 0),
        methods=[_method(*each) for each in zip(found.networks.tolist(), found.standard_error, strict=True)],
    )


def _method(groups: int, error: float) -> str:
    if groups < 2:
        return f"none: patients of {groups} fold{'' if groups == 1 else 's'}"
    return f"over the means of {groups} folds" + (f"; {NO_SPREAD}" if error == 0 else "")
