"""Scores of the box that training takes beside those of all that was scanned."""

import pandas as pd

from ablation.record.selection import scored_in, select
from ablation.space.factors import ARM

KEYS = ["arm", *ARM, "sequence"]
REGIONS = ("box", "whole")
SHARE = "outside_box"
"""Share of a class's true voxels that lie outside the box."""


def regions(results: pd.DataFrame, everywhere: pd.DataFrame) -> pd.DataFrame:
    """Test Dice of each arm in the box and of the whole scan, means over folds and seeds.

    Columns: arm, `t2_train_size`, `sequence`, for each class `CLASS_box` and `CLASS_whole`, and for the first
    one `CLASS_outside_box`, the share of it in the test scans that lies outside the box. Empty where no whole
    scan was scored.

    Args:
        results: the rows that are compared, of the box, each arm at its chosen values.
        everywhere: rows of both regions.
    """
    compared = results["trial_key"].unique()
    rows = select(everywhere[everywhere["trial_key"].isin(compared)], split="test")
    if not rows["region"].eq("whole").any():
        return pd.DataFrame(columns=KEYS)
    scored = rows.assign(true=rows["tp"] + rows["fn"])
    groups = scored.groupby([*KEYS, "region", "class"], dropna=False, sort=False)
    dice = groups["dsc"].mean(skipna=False).unstack(["class", "region"])
    wanted = [(tissue, region) for tissue in scored_in(rows) for region in REGIONS]
    table = dice.reindex(columns=pd.MultiIndex.from_tuples(wanted))
    table.columns = [f"{tissue}_{region}" for tissue, region in wanted]
    first = scored_in(rows)[0]
    voxels = groups["true"].mean().unstack(["class", "region"])[first]
    table[f"{first}_{SHARE}"] = 1 - voxels["box"] / voxels["whole"]
    return table.reset_index().drop(columns=["strategy", "tuned_layers", "fusion"])
