"""What each arm takes to train (Fig. 7)."""

import pandas as pd

from ablation.report.tables.arm_scores import ARM_KEYS, comparable

STEPS = "steps"
"""Column of `results.csv`; records made before steps were counted lack it."""
CONVERGED, NOT_TRAINED = "converged", "not_trained"
COSTS = ["epochs", "seconds_per_epoch", "standalone_seconds"]


def compute_time(results: pd.DataFrame) -> pd.DataFrame:
    """A row an arm: means over folds and seeds of its cost at its chosen learning rate.

    Columns: `arm`, `t2_train_size`, `learning_rate`, `trials`, `epochs`, `seconds_per_epoch`,
    `standalone_seconds` and `stop_reasons`. The study's total is epochs x seconds an epoch until
    convergence (Sec. 4.5). `standalone_seconds` is what a trial would take alone, with evaluation and with
    nothing shared, so that an arm does not gain by running after another. Training the pretrained network and
    the other learning rates are not in it. Times mean something only among trials of one machine.
    """
    trials = comparable(results).drop_duplicates("trial_key")
    groups = trials.groupby(ARM_KEYS, dropna=False, sort=False)
    table = groups[COSTS].mean()
    table.insert(0, "trials", groups.size())
    reasons = groups["stop_reason"].agg(lambda found: ", ".join(sorted(set(found))))
    return (
        table.assign(stop_reasons=reasons).reset_index().drop(columns=["strategy", "tuned_layers", "fusion"])
    )


def training_steps(rows: pd.DataFrame, *, converged: bool = False) -> dict[str, float]:
    """Return the training steps of each arm, a mean over folds and seeds, as far as they can be compared.

    Where a trial lacks its number of steps, that of all is taken as epochs times training patients, which
    it is proportional to where arms take their patches alike. An arm that does not train is left out.

    Args:
        rows: as in `results.csv`.
        converged: whether arms count that train until they converge: they have no budget, but an epoch of
            fewer patients has fewer steps for them too.
    """
    trials = rows.drop_duplicates("trial_key")
    without = [NOT_TRAINED] if converged else [CONVERGED, NOT_TRAINED]
    counts = ~trials["stop_reason"].isin(without)
    trials = trials[counts.groupby(trials["arm"]).transform("any")]
    counted = trials[STEPS] if STEPS in trials else pd.Series(float("nan"), index=trials.index)
    if counted.isna().any():
        counted = trials["epochs"] * trials["t2_train_size"].astype("float64").fillna(1)
    known = counted.astype("float64").groupby(trials["arm"], sort=False).mean().dropna()
    return {str(arm): float(number) for arm, number in known.items()}
