"""A reader learns how much of a difference another pretrained network would cause."""

import numpy as np

from ablation.report.page.conclusions import conclusions
from ablation.report.statistics.comparisons import comparisons
from ablation.report.statistics.network_effects import network_effects
from ablation.report.statistics.network_scores import network_scores
from tests.builders.tables import sweep, trial

RNG = np.random.default_rng(1)
PATIENTS = 0.6 + RNG.normal(0, 0.05, size=14)
GAINS = (0.15, -0.05, 0.08, -0.02, 0.04)
"""Of `open` over `scratch`, by pretrained network."""


def tuned(folds: tuple[int, ...] = (1,)) -> list[dict[str, object]]:
    return [
        trial("open", validation=0.7, test=PATIENTS + gain + _noise(), fold=fold, network=seed)
        for seed, gain in enumerate(GAINS)
        for fold in folds
    ]


def untuned() -> dict[str, object]:
    return trial("scratch", validation=0.5, test=PATIENTS)


def _noise() -> np.ndarray:
    return RNG.normal(0, 0.001, size=14)


def test_a_difference_that_hangs_on_the_network_is_not_certain_however_many_patients_agree() -> None:
    results, patients = sweep(*tuned(), untuned())
    bone = comparisons(results, patients, pairs="best").iloc[0]
    assert (bone["first"], bone["second"], bone["networks"], bone["patients"]) == ("open", "scratch", 5, 14)
    assert bone["p_patients"] < 0.001
    assert bone["p"] > 0.2
    assert bone["low"] < 0 < bone["high"]
    assert bone["verdict"] == "cannot tell"


def test_the_page_says_what_the_answer_holds_for() -> None:
    bone, *_ = conclusions(*sweep(*tuned(), untuned()))
    assert "no arm is shown to be worse (t test, patients and pretrained networks crossed" in bone
    one, *_ = conclusions(*sweep(tuned()[0], untuned()))
    assert "Shown to be worse: scratch (Wilcoxon" in one
    assert "That holds for this one pretrained network" in one


def test_shares_of_the_variance_and_the_networks_that_it_would_take() -> None:
    table = network_effects(*sweep(*tuned((1, 2)), untuned()))
    bone = table[table["class"] == "bone"].iloc[0]
    assert bone["network"] > 0.9
    assert 0.05 < bone["network_spread"] < 0.12
    assert bone["networks_needed"] > 5
    assert bone["meaning"].startswith("Another pretrained network would move this difference by 0.0")


def test_with_one_network_nothing_is_said_of_others() -> None:
    assert network_effects(*sweep(tuned()[0], untuned())).empty


def test_a_network_for_each_fold_is_told_from_networks_that_all_folds_share() -> None:
    by_fold = [trial("open", test=PATIENTS, fold=fold, network=fold - 1) for fold in (1, 2, 3)]
    assert network_scores(*sweep(*by_fold)).kind == "folds"
    assert network_scores(*sweep(*tuned((1, 2)))).kind == "seeds"
    assert network_scores(*sweep(untuned())).kind == "one"
    rotated = [trial("open", test={f"p{fold}": 0.5}, fold=fold, network=fold - 1) for fold in (1, 2)]
    assert network_scores(*sweep(*rotated)).kind == "rotated"
