"""What changed test scans do to the arms: which arms are tested on them, and what was lost."""

import pandas as pd

from ablation.record.robustness import AS_IT_IS, COUNTS, KEYS
from ablation.record.selection import scored_in
from ablation.report.tables.arms import validation_scores
from ablation.report.tables.summary import chosen

BESIDE = ("no_fine_tuning", "open")
"""Strategies that the best arm is shown beside: what untuned networks lose, and fully tuned ones."""
CHANGE = ["kind", "level", "value", "unit"]


def robust_arms(results: pd.DataFrame, tissue: str) -> list[str]:
    """Return the arm that validation chose for a class and, of each strategy of `BESIDE`, its best one.

    Args:
        results: as `results.csv`.
    """
    scores = validation_scores(results)
    ranked = scores.loc[scores["class"] == tissue, "arm"].tolist()
    strategies = results.drop_duplicates("arm").set_index("arm")["strategy"]
    beside = [next((arm for arm in ranked if strategies[arm] == name), None) for name in BESIDE]
    return list(dict.fromkeys(arm for arm in (*ranked[:1], *beside) if arm is not None))


def robustness_scores(kept: pd.DataFrame, results: pd.DataFrame) -> pd.DataFrame:
    """Return the Dice of each arm, change and class beside that of the same scans as they are.

    Columns: `arm`, `strategy`, `kind`, `level`, `value`, `unit`, `class`, `patients`, `dsc`, `before`, and
    `drop`, by how much Dice fell. Pooled over the patients of a network, means over networks (folds and
    seeds). A change counts for the patients to whose scans it applies. Only networks that their arm has at
    its chosen values are there.

    Args:
        kept: as `robustness.csv`.
        results: as `results.csv`.
    """
    now = chosen(results)[["mlflow_run_id", "arm", "strategy"]].drop_duplicates("mlflow_run_id")
    rows = kept.dropna(subset=COUNTS).drop(columns="arm").merge(now, on="mlflow_run_id")
    # A frame that was broken off may have a change without the scan as it is.
    base = rows.loc[rows["kind"] == AS_IT_IS, [*KEYS, "class", *COUNTS]]
    rows = rows.merge(base, on=[*KEYS, "class"], suffixes=("", "_before"))
    sums = [*COUNTS, *(f"{name}_before" for name in COUNTS)]
    keys = ["arm", "strategy", *CHANGE, "class"]
    networks = rows.groupby([*keys, "mlflow_run_id"], dropna=False, sort=False)
    pooled = networks[sums].sum().astype("float64")
    pooled["dsc"], pooled["before"] = _dice(pooled, ""), _dice(pooled, "_before")
    arms = pooled.groupby(keys, dropna=False, sort=False)[["dsc", "before"]].mean()
    arms["patients"] = rows.groupby(keys, dropna=False, sort=False)["patient"].nunique()
    return arms.assign(drop=arms["before"] - arms["dsc"]).reset_index()


def robustness(kept: pd.DataFrame, results: pd.DataFrame) -> pd.DataFrame:
    """Return a row an arm, kind of change and level, with Dice and its drop from level 0 for each class.

    Args:
        kept, results: as for `robustness_scores`.
    """
    scores = robustness_scores(kept, results)
    amounts = [f"{value:g} {unit}" for value, unit in zip(scores["value"], scores["unit"], strict=True)]
    scores = scores.assign(amount=pd.Series(amounts, dtype="str").where(scores["level"] > 0, ""))
    keys = ["arm", "kind", "level", "amount", "patients"]
    # In the order in which arms and kinds were tested: a pivot would sort them.
    table = scores[keys].drop_duplicates()
    for tissue in scored_in(results):
        part = scores.loc[scores["class"] == tissue, [*keys, "dsc", "drop"]]
        named = part.rename(columns={"dsc": f"{tissue}_dsc", "drop": f"{tissue}_drop"})
        table = table.merge(named, on=keys, how="left")
    return table


def _dice(counts: pd.DataFrame, ending: str) -> pd.Series:
    tp, fp, fn = (counts[f"{name}{ending}"] for name in COUNTS)
    return 2 * tp / (2 * tp + fp + fn).where(lambda voxels: voxels > 0)
