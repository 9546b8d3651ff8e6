"""What each arm takes to train (Fig. 7)."""

import pandas as pd

from ablation.report.tables.arm_scores import ARM_KEYS, comparable

COSTS = ["epochs", "seconds_per_epoch", "standalone_seconds"]


def compute_time(results: pd.DataFrame) -> pd.DataFrame:
    """A row an arm: means over folds and seeds of its cost at its chosen learning rate.

    Columns: `arm`, `t2_train_size`, `learning_rate`, `trials`, `epochs`, `seconds_per_epoch`,
    `standalone_seconds` and `stop_reasons`. The study's total is epochs x seconds an epoch until
    convergence (Sec. 4.5). `standalone_seconds` is what a trial would take alone, with evaluation and with
    nothing shared, so that an arm does not gain by running after another. Training the T1 network and the
    other learning rates are not in it. Times mean something only among trials of one machine.
    """
    trials = comparable(results).drop_duplicates("trial_key")
    groups = trials.groupby(ARM_KEYS, dropna=False, sort=False)
    table = groups[COSTS].mean()
    table.insert(0, "trials", groups.size())
    reasons = groups["stop_reason"].agg(lambda found: ", ".join(sorted(set(found))))
    return (
        table.assign(stop_reasons=reasons).reset_index().drop(columns=["strategy", "tuned_layers", "fusion"])
    )
