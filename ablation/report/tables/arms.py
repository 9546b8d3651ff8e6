"""Arms as a report names them, and which is best for a class: told by validation, never by the test."""

from typing import Any

import pandas as pd

from ablation.record.selection import select
from ablation.report.tables.summary import TISSUES, chosen
from ablation.space.factors import ARM
from ablation.space.naming import arm_name


def label_arms(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with a column `arm`, one name an arm: `conservative 9`, `hybrid average`.

    The name tells the training size where it is not the largest of all: `open (4 T2 patients)`.
    """
    arms = frame[ARM].drop_duplicates()
    most = arms["t2_train_size"].max()
    names = [label_arm(*row, most=most) for row in arms.itertuples(index=False, name=None)]
    return frame.merge(arms.assign(arm=names), on=ARM, how="left")


def validation_scores(results: pd.DataFrame) -> pd.DataFrame:
    """Mean validation Dice on T2 of each arm and class: `class, arm, validation`, best first in its class.

    Each arm at its chosen learning rate, weights best; mean over folds and seeds of the pooled scores, an
    undefined one counting as 0, as in the choice of the rate. Equal arms stay in the order of the plan.
    Where test sets rotate, a patient who is tested in one fold validates in another, so the choice is not
    wholly blind to the test patients, and the test score of what it chose is a little flattered.
    """
    part = select(label_arms(chosen(results)), split="validation", sequence="T2")
    defined = part.assign(validation=part["dsc"].fillna(0))
    means = defined.groupby(["class", "arm"], sort=False)["validation"].mean().reset_index()
    return means.sort_values("validation", ascending=False, kind="stable", ignore_index=True)


def best_arms(results: pd.DataFrame) -> dict[str, str]:
    """The arm with the best validation Dice of each of bone, soft tissue and air; no entry without scores."""
    scores = validation_scores(results)
    first = scores.drop_duplicates("class").set_index("class")["arm"]
    return {tissue: first[tissue] for tissue in TISSUES if tissue in first}


def label_arm(strategy: str, tuned_layers: str, fusion: str, size: Any, *, most: Any) -> str:
    """An arm's name, with its training size where that is not the largest, `most`."""
    name = arm_name(strategy, tuned_layers, fusion)
    return name if pd.isna(size) or size == most else f"{name} ({size} T2 patients)"
