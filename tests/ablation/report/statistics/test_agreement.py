"""How often one arm scores higher: counted, where too few were tested for a test."""

import numpy as np

from ablation.report.statistics.agreement import Agreement, agreement, led_on_test, led_on_validation
from ablation.report.statistics.network_scores import network_scores
from tests.builders.tables import sweep, trial

THREE = np.array([0.5, 0.6, 0.7])


def test_with_one_network_every_fold_counts() -> None:
    scores = network_scores(
        *sweep(
            *(trial("open", test=THREE + 0.1, fold=fold) for fold in (1, 2)),
            trial("scratch", test=THREE, fold=1),
            trial("scratch", test=THREE + 0.2, fold=2),
        )
    )
    assert agreement(scores, "bone", "open", "scratch") == Agreement(higher=3, lower=3, pairs=6)


def test_an_arm_without_seeds_stands_beside_each_seed_of_the_other() -> None:
    scores = network_scores(
        *sweep(
            *(trial("open", test=THREE + 0.1, seed=seed) for seed in (0, 1)),
            trial("no_fine_tuning", test=THREE, seed=None, size=None, rate=None),
        )
    )
    assert agreement(scores, "bone", "open", "no_fine_tuning") == Agreement(higher=6, lower=0, pairs=6)
    assert agreement(scores, "bone", "open", "no_fine_tuning").is_unanimous


def test_with_several_networks_folds_are_averaged_first() -> None:
    networks = [(fold, n) for fold in (1, 2) for n in (0, 1, 2)]
    scores = network_scores(
        *sweep(
            *(trial("open", test=THREE + 0.1 * fold - 0.14, fold=fold, network=n) for fold, n in networks),
            *(trial("hybrid", test=THREE, fold=fold, network=n) for fold, n in networks),
        )
    )
    assert agreement(scores, "bone", "open", "hybrid") == Agreement(higher=9, lower=0, pairs=9)


def test_rotated_patients_count_once() -> None:
    scores = network_scores(
        *sweep(
            *(
                trial(name, test={f"{fold}a": score, f"{fold}b": 0.5}, fold=fold)
                for name, score in (("open", 0.6), ("scratch", 0.5))
                for fold in (1, 2, 3)
            )
        )
    )
    assert agreement(scores, "bone", "open", "scratch") == Agreement(higher=3, lower=0, pairs=6)


def test_with_how_many_networks_an_arm_leads() -> None:
    results, patients = sweep(
        *(trial("open", validation=0.5, test=THREE, network=n) for n in (0, 1, 2)),
        *(trial("hybrid", validation=0.4 + n / 9, test=THREE - n / 9, network=n) for n in (0, 1, 2)),
        trial("scratch", validation=0.45, test=THREE - 0.1),
    )
    scores = network_scores(results, patients)
    assert led_on_validation(results, scores, "bone", "hybrid") == (2, 3)
    assert led_on_validation(results, scores, "bone", "open") == (1, 3)
    assert led_on_validation(results, scores, "bone", "nobody") == (0, 0)
    assert led_on_test(scores, "bone", "open") == (3, 3)
    assert led_on_test(scores, "bone", "scratch") == (0, 3)
