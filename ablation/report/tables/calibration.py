"""How far class probabilities can be believed, an arm and class a row."""

import numpy as np
import pandas as pd

from ablation.record.selection import classes_in
from ablation.space.factors import ARM

KEYS = ["arm", *ARM, "sequence"]
SUMS = ["voxels", "probabilities", "true"]


def calibration_table(compared: pd.DataFrame, calibration: pd.DataFrame) -> pd.DataFrame:
    """Brier score and expected calibration error of each arm and class, pooled over its trials' test voxels.

    Columns: arm, `t2_train_size`, `sequence`, `class`, `brier`, `ece`, and `confidence` and `accuracy`: the
    mean probability of the class where it is above one half, and how often it is there.

    Args:
        compared: rows of results that are compared, each arm at its chosen values.
        calibration: as `calibration_frame` gives it.
    """
    bins = reliability(compared, calibration)
    if bins.empty:
        return pd.DataFrame(columns=[*KEYS, "class"])
    groups = bins.groupby([*KEYS, "class"], dropna=False, sort=False)
    table = groups[["voxels"]].sum()
    table["brier"] = groups["squares"].sum() / table["voxels"]
    gaps = bins.assign(gap=(bins["probabilities"] - bins["true"]).abs())
    table["ece"] = gaps.groupby([*KEYS, "class"], dropna=False, sort=False)["gap"].sum() / table["voxels"]
    high = bins[bins["bin"] > bins["bin"].max() // 2].groupby([*KEYS, "class"], dropna=False, sort=False)
    sums = high[SUMS].sum()
    table["confidence"] = sums["probabilities"] / sums["voxels"].replace(0, np.nan)
    table["accuracy"] = sums["true"] / sums["voxels"].replace(0, np.nan)
    places = {name: place for place, name in enumerate(classes_in(compared))}
    table = table.reset_index().sort_values("class", key=lambda c: c.map(places), kind="stable")
    return table.drop(columns=["strategy", "tuned_layers", "fusion", "voxels"]).reset_index(drop=True)


def reliability(compared: pd.DataFrame, calibration: pd.DataFrame) -> pd.DataFrame:
    """Sums of each arm, class and bin of probability: `KEYS`, `class`, `bin`, `SUMS` and `squares`.

    `squares` is spread over the bins, so that sums over them are right.
    """
    trials = compared[["trial_key", "arm", *ARM]].drop_duplicates("trial_key")
    joined = trials.merge(calibration, on="trial_key", how="inner")
    if joined.empty:
        return pd.DataFrame(columns=[*KEYS, "class", "bin", *SUMS, "squares"])
    shared = joined.assign(squares=joined["squares"] / joined["bin"].nunique())
    groups = shared.groupby([*KEYS, "class", "bin"], dropna=False, sort=False)
    return groups[[*SUMS, "squares"]].sum().reset_index()
