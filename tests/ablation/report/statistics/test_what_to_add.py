"""What a reader is told to add: whatever most of the variance lies between."""

import math

import numpy as np
import pandas as pd
import pytest

from ablation.report.statistics.comparisons import comparisons
from ablation.report.statistics.what_to_add import WHAT_TO_ADD, what_to_add
from tests.builders.tables import sweep, trial

RNG = np.random.default_rng(3)
FOURTEEN = RNG.normal(0.6, 0.05, size=14)


def told(*trials: dict[str, object]) -> pd.Series:
    """The row of bone."""
    results, patients = sweep(*trials)
    table = what_to_add(results, patients, comparisons(results, patients, pairs="best"))
    assert list(table.columns) == WHAT_TO_ADD
    return table.iloc[0]


def crossed(*, patients: float, networks: float, folds: float, size: int = 14) -> list[dict[str, object]]:
    """Two arms whose difference varies by so much between patients, networks and folds of a network."""
    of_patient = RNG.normal(0, patients, size=size)
    return [
        trial("open", validation=0.7, test=FOURTEEN[:size] + noise, fold=fold, network=network)
        for network, moved in enumerate(RNG.normal(0, networks, size=4))
        for fold in (1, 2, 3)
        for noise in [of_patient + moved + RNG.normal(0, folds) + RNG.normal(0, 0.002, size=size)]
    ] + [
        trial("hybrid", validation=0.5, test=FOURTEEN[:size], fold=fold, network=network)
        for network in range(4)
        for fold in (1, 2, 3)
    ]


@pytest.mark.parametrize(
    ("spreads", "share", "advice"),
    [
        ({"patients": 0.002, "networks": 0.1, "folds": 0.002}, "network", "add pretrained networks first (8"),
        ({"patients": 0.1, "networks": 0.002, "folds": 0.002}, "patient", "add test patients first (28 test"),
    ],
)
def test_that_which_varies_most_is_to_be_added(spreads: dict[str, float], share: str, advice: str) -> None:
    row = told(*crossed(**spreads))
    assert row[share] > 0.8
    assert (row["patients"], row["networks"], row["folds_and_seeds"]) == (14, 4, 3)
    assert advice in row["meaning"]


def test_the_half_width_is_that_of_the_interval_where_components_are_clear() -> None:
    results, patients = sweep(*crossed(patients=0.02, networks=0.1, folds=0.02))
    against = comparisons(results, patients, pairs="best")
    row = what_to_add(results, patients, against).iloc[0]
    seen = (against["high"] - against["low"]).iloc[0] / 2
    assert row["half_width"] == pytest.approx(seen, rel=0.25)
    assert row["twice_networks"] < row["twice_folds"] <= row["half_width"] * 1.01


def test_a_network_for_each_fold_cannot_be_had_without_its_fold() -> None:
    row = told(
        *(trial("open", test=FOURTEEN + f / 50, validation=0.7, fold=f, network=f) for f in (1, 2, 3)),
        *(trial("scratch", test=FOURTEEN - 0.1, fold=f) for f in (1, 2, 3)),
    )
    assert row["networks"] == 3
    assert row["network"] == pytest.approx(1)
    assert math.isnan(row["twice_folds"])
    assert "folds" not in row["meaning"]


def test_of_one_network_nothing_is_promised_of_others() -> None:
    arms = [trial("open", validation=0.7, test=FOURTEEN), trial("scratch", test=FOURTEEN[::-1])]
    row = told(*arms)
    assert math.isnan(row["twice_networks"])
    assert "for this one pretrained network: add pretrained networks first" in row["meaning"]
    few = told(*(trial(name, test=FOURTEEN[:3] + d) for name, d in (("open", 0.1), ("scratch", 0))))
    assert math.isnan(few["half_width"])
    assert "is not there yet: add pretrained networks first" in few["meaning"]


def test_rotated_patients_are_told_of_folds() -> None:
    moved = (0.0, 0.1, 0.2)
    row = told(
        *(
            trial(
                name,
                validation=0.5 + d,
                fold=f,
                network=f,
                test={f"{f}{p}": 0.5 + d * m + RNG.normal(0, 0.001) for p in "abcd"},
            )
            for name, d in (("open", 0.2), ("scratch", 0.0))
            for f, m in enumerate(moved)
        )
    )
    assert (row["patients"], row["networks"]) == (12, 3)
    assert row["network"] > 0.9
    assert "add folds first (6 folds give" in row["meaning"]


def test_nothing_is_told_of_one_arm() -> None:
    results, patients = sweep(trial("open", test=FOURTEEN))
    assert what_to_add(results, patients, comparisons(results, patients, pairs="best")).empty
