"""How often an arm scores higher: than another arm pair by pair, and than all others network by network."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ablation.record.selection import select
from ablation.report.statistics.network_scores import NetworkScores, with_networks
from ablation.report.tables.choice import chosen
from t1t2core.settings import TARGET

PAIRS = {
    "one": "pairs of patient and fold",
    "seeds": "pairs of patient and pretrained network",
    "folds": "pairs of patient and pretrained network",
    "rotated": "patients",
}
"""What is counted, by how patients and networks lie to each other."""


@dataclass(frozen=True)
class Agreement:
    """Of all pairs that both arms have a score for, those in which the first scores higher, and lower."""

    higher: int
    lower: int
    pairs: int

    @property
    def is_unanimous(self) -> bool:
        """Whether the first scores higher in every pair."""
        return 0 < self.pairs == self.higher


def count_agreement(differences: np.ndarray) -> Agreement:
    """Count the signs of differences of any shape, NaN where there is none."""
    there = differences[np.isfinite(differences)]
    return Agreement(int((there > 0).sum()), int((there < 0).sum()), there.size)


def agreement(scores: NetworkScores, tissue: str, first: str, second: str) -> Agreement:
    """Count on the target test patients in how many `PAIRS` one arm scores higher than another.

    With several pretrained networks folds and seeds are averaged before; with one they are all that repeats
    a patient's score, and each counts.
    """
    if scores.kind == "one":
        return count_agreement(scores.replicates(TARGET, tissue, (first, second)))
    cube = scores.of(TARGET, tissue)
    if not {first, second} <= set(cube.arms):
        return Agreement(0, 0, 0)
    return count_agreement(cube.values[cube.arms.index(first)] - cube.values[cube.arms.index(second)])


def led_on_validation(results: pd.DataFrame, scores: NetworkScores, tissue: str, arm: str) -> tuple[int, int]:
    """Return with how many pretrained networks, or folds, an arm has the best validation Dice, and of all."""
    part = select(chosen(results), split="validation", sequence=TARGET, tissue=tissue)
    rows = with_networks(part.assign(dsc=part["dsc"].fillna(0)), scores.kind)
    return _led(rows.groupby(["arm", "network"], sort=False)["dsc"].mean().unstack(), arm)


def led_on_test(scores: NetworkScores, tissue: str, arm: str) -> tuple[int, int]:
    """Return the same of the mean test Dice over patients."""
    cube = scores.of(TARGET, tissue)
    whole = np.isfinite(cube.values) if scores.kind == "rotated" else np.isfinite(cube.values).all(axis=2)
    values = np.where(whole if scores.kind == "rotated" else whole[:, :, None], cube.values, np.nan)
    rows = pd.DataFrame([pd.DataFrame(one).mean() for one in values], index=cube.arms)
    return _led(rows, arm)


def _led(means: pd.DataFrame, arm: str) -> tuple[int, int]:
    """Count columns in which the row of an arm is the highest; those where it has no value are left out."""
    if arm not in means.index:
        return 0, 0
    own, best = means.loc[arm].to_numpy(dtype=float), means.max().to_numpy(dtype=float)
    return int((own >= best).sum()), int(np.isfinite(own).sum())
