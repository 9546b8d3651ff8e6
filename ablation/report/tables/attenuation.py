"""Attenuation at 511 keV by predicted classes against that by CT, an arm and region of the head a row."""

import pandas as pd

from ablation.space.factors import ARM

KEYS = ["arm", *ARM, "sequence", "region"]
SUMS = ["voxels", "ct", "predicted", "predicted_error", "labels", "labels_error"]


def attenuation_table(compared: pd.DataFrame, attenuation: pd.DataFrame) -> pd.DataFrame:
    """Bias and error of each arm in each region: means over its trials and their test patients.

    Columns: arm, `t2_train_size`, `sequence`, `region`, `ct_per_cm` (its mean attenuation by CT),
    `bias_percent` (of the region's sum), `error_percent` (sum of absolute differences over that of the CT),
    and the same by the true classes, `labels_bias_percent` and `labels_error_percent`, which no prediction
    of as many classes can better. Where CT has hardly any attenuation percentages mean little; there
    `bias_per_cm` and `error_per_cm` tell.

    Args:
        compared: rows of results that are compared, each arm at its chosen values.
        attenuation: as `attenuation_frame` gives it.
    """
    trials = compared[["trial_key", "arm", *ARM]].drop_duplicates("trial_key")
    rows = trials.merge(attenuation[attenuation["voxels"] > 0], on="trial_key", how="inner")
    if rows.empty:
        return pd.DataFrame(columns=KEYS)
    voxels, ct = rows["voxels"], rows["ct"].where(rows["ct"] > 0)
    measures = {
        "ct_per_cm": rows["ct"] / voxels,
        "bias_percent": 100 * (rows["predicted"] - rows["ct"]) / ct,
        "error_percent": 100 * rows["predicted_error"] / ct,
        "labels_bias_percent": 100 * (rows["labels"] - rows["ct"]) / ct,
        "labels_error_percent": 100 * rows["labels_error"] / ct,
        "bias_per_cm": (rows["predicted"] - rows["ct"]) / voxels,
        "error_per_cm": rows["predicted_error"] / voxels,
    }
    groups = rows.assign(**measures).groupby(KEYS, dropna=False, sort=False)
    return groups[[*measures]].mean().reset_index().drop(columns=["strategy", "tuned_layers", "fusion"])
