"""A score an arm, class and patient: what intervals and tests are made from."""

import pandas as pd

from ablation.record.selection import select
from ablation.report.tables.summary import chosen
from ablation.space.factors import ARM

KEYS = ["arm", *ARM, "sequence", "class", "patient"]


def patient_scores(results: pd.DataFrame, patients: pd.DataFrame, *, metric: str = "dsc") -> pd.DataFrame:
    """Test scores with folds and seeds averaged within a patient, each arm at its chosen learning rate.

    Args:
        results: as in `results.csv`; it chooses the learning rates.
        patients: as in `patients.csv`.
        metric: its column.

    Returns:
        `arm`, the columns of `ARM`, `sequence`, `class`, `patient` and `value`, a row each. The value is
        NaN where the score is undefined in any fold or seed: a mean over the others would not be the score
        of the same networks. Folds are repeats, not patients, so they add none. In a sweep that is not
        finished, arms may have different folds.
    """
    rates = chosen(results)
    part = select(patients[patients["trial_key"].isin(rates["trial_key"])], split="test")
    means = part.groupby(KEYS, dropna=False, sort=False)[metric].mean(skipna=False)
    return means.rename("value").reset_index()
