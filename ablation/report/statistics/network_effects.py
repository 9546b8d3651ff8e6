"""How much of a difference between arms comes from patients, from pretrained networks, and from the rest."""

import numpy as np
import pandas as pd

from ablation.report.statistics.components import variance_components
from ablation.report.statistics.network_power import describe_networks, networks_needed
from ablation.report.statistics.network_scores import NETWORK, NetworkScores, network_scores
from ablation.report.tables.arms import best_arms
from t1t2core.settings import TARGET

NETWORK_EFFECTS = [
    "class",
    "first",
    "second",
    "difference",
    "patient",
    "network",
    "fold_and_seed",
    "rest",
    "network_spread",
    "networks_needed",
    "meaning",
]


def network_effects(results: pd.DataFrame, patients: pd.DataFrame, *, metric: str = "dsc") -> pd.DataFrame:
    """Return the variance of the difference between each arm and the best of its class.

    Args:
        results, patients, metric: as for `network_scores`.

    Returns:
        `NETWORK_EFFECTS`: `patient`, `network`, `fold_and_seed` and `rest` are shares of the variance of a
        single difference, on target test patients; a share that the design cannot tell is NaN and part of the
        rest. `network_spread` is the standard deviation of the difference between networks,
        `networks_needed` how many would tell the arms apart (80 % power, two-sided 5 %), empty where no
        number would; `meaning` says it in words. No rows with one network, or with rotated test patients,
        which no two networks share.
    """
    scores = network_scores(results, patients, metric=metric)
    if scores.kind not in ("seeds", "folds"):
        return pd.DataFrame(columns=NETWORK_EFFECTS)
    best = best_arms(results)
    rows = [
        row for tissue in scores.classes if tissue in best for row in _of_class(scores, tissue, best[tissue])
    ]
    return pd.DataFrame(rows, columns=NETWORK_EFFECTS)


def _of_class(scores: NetworkScores, tissue: str, best: str) -> list[dict[str, object]]:
    cube = scores.of(TARGET, tissue)
    others = [arm for arm in cube.arms if arm != best]
    if best not in cube.arms or not others:
        return []
    own = cube.values[cube.arms.index(best)]
    estimates = cube.estimate(own - cube.values[[cube.arms.index(arm) for arm in others]])
    needed = networks_needed(estimates)
    told = describe_networks(estimates, network=NETWORK[scores.kind])
    return [
        {
            "class": tissue,
            "first": best,
            "second": arm,
            "difference": estimates.mean[place],
            **_shares(scores, tissue, (best, arm)),
            "network_spread": estimates.network_spread[place],
            "networks_needed": needed[place] if np.isfinite(needed[place]) else np.nan,
            "meaning": told[place],
        }
        for place, arm in enumerate(others)
    ]


def _shares(scores: NetworkScores, tissue: str, arms: tuple[str, str]) -> dict[str, float]:
    values = scores.replicates(TARGET, tissue, arms)
    return variance_components(values).shares if values.size else {}
