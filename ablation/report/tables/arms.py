"""Which arm is best for a class: told by validation, never by the test."""

import pandas as pd

from ablation.record.selection import classes_in, select
from ablation.report.tables.choice import chosen
from t1t2core.settings import TARGET


def validation_scores(results: pd.DataFrame) -> pd.DataFrame:
    """Mean target validation Dice of each arm and class: `class, arm, validation`, best first in its class.

    Each arm at its chosen learning rate, weights best; mean over folds and seeds of the pooled scores, an
    undefined one counting as 0, as in the choice of the rate. Equal arms stay in the order of the plan.
    Where test sets rotate, a patient who is tested in one fold validates in another, so the choice is not
    wholly blind to the test patients, and the test score of what it chose is a little flattered.
    """
    part = select(chosen(results), split="validation", sequence=TARGET)
    defined = part.assign(validation=part["dsc"].fillna(0))
    means = defined.groupby(["class", "arm"], sort=False)["validation"].mean().reset_index()
    return means.sort_values("validation", ascending=False, kind="stable", ignore_index=True)


def best_arms(results: pd.DataFrame) -> dict[str, str]:
    """The arm with the best validation Dice of each class; no entry without scores."""
    scores = validation_scores(results)
    first = scores.drop_duplicates("class").set_index("class")["arm"]
    return {tissue: first[tissue] for tissue in classes_in(results) if tissue in first}
