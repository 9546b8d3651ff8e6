"""Importance finds the factor that was put into simulated sweeps."""

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest

from ablation.report.statistics.importance import ACROSS, EXACT, IMPORTANCE, importance
from tests.builders.tables import sweep, trial

ARMS: list[tuple[str, str | None, str | None]] = [
    ("open", None, None),
    *(("conservative", layers, None) for layers in ("fc", "9", "18")),
    *(("hybrid", None, fusion) for fusion in ("average", "maximum")),
]
Objective = Callable[[dict[str, Any]], float]


def simulated(objective: Objective) -> pd.DataFrame:
    """72 trials: each arm with two sizes, two rates and three folds."""
    rng = np.random.default_rng(0)
    trials = []
    for (strategy, layers, fusion), size, rate, fold in product(ARMS, (2, 8), (1e-2, 1e-4), (1, 2, 3)):
        given = {"layers": layers, "fusion": fusion, "size": size, "rate": rate, "fold": fold}
        score = objective(given | {"strategy": strategy}) + rng.normal(0, 0.01)
        trials.append(trial(strategy, **given, validation=score, test=[0.5]))
    return sweep(*trials)[0]


def of(table: pd.DataFrame, scope: str) -> dict[str, float]:
    return table[table["scope"] == scope].set_index("factor")["importance"].to_dict()


def test_each_strategy_has_the_importance_of_its_own_factors() -> None:
    table = importance(simulated(lambda t: 0.1 * (t["layers"] == "9") + 0.1 * (t["fusion"] == "average")))
    assert list(table.columns) == IMPORTANCE
    alone = {name for name in of(table, "conservative") if " x " not in name}
    assert alone == {"tuned_layers", "t2_train_size", "learning_rate", "fold", "rest"}
    assert of(table, "conservative")["tuned_layers"] > 0.8
    assert of(table, "hybrid")["fusion"] > 0.8
    assert "tuned_layers" not in of(table, "open")
    assert table.set_index("scope")["trials"].to_dict() == {
        ACROSS: 72,
        "open": 12,
        "conservative": 36,
        "hybrid": 24,
    }


def test_a_strategy_that_matters_stands_first_across() -> None:
    table = importance(simulated(lambda t: 0.1 * (t["strategy"] == "hybrid")))
    found = of(table, ACROSS)
    assert next(iter(found)) == "strategy"
    assert found["strategy"] > 0.5
    assert sum(found.values()) == pytest.approx(1)


def test_two_rates_far_apart_weigh_the_same_as_two_sizes() -> None:
    """Additive and equally strong: half of the variance each, though 1e-4 is next to nothing beside 1e-2."""
    found = of(
        importance(simulated(lambda t: 0.1 * (t["rate"] == 1e-2) + 0.1 * (t["size"] == 8))), "conservative"
    )
    assert found["learning_rate"] == pytest.approx(0.5, abs=0.06)
    assert found["t2_train_size"] == pytest.approx(0.5, abs=0.06)


def test_an_interaction_is_nobodys_alone() -> None:
    found = of(
        importance(simulated(lambda t: 0.1 * ((t["rate"] == 1e-2) == (t["size"] == 8)))), "conservative"
    )
    assert found["t2_train_size x learning_rate"] > 0.9
    assert sum(found.values()) == pytest.approx(1)


def test_every_combination_gives_exact_shares_with_a_test_against_folds() -> None:
    table = importance(simulated(lambda t: 0.1 * (t["layers"] == "9"))).set_index(["scope", "factor"])
    depth = table.loc[("conservative", "tuned_layers")]
    assert depth["method"] == EXACT
    assert depth["p"] < 0.01
    assert table.loc[("conservative", "t2_train_size"), "p"] > 0.01
    assert set(table.loc[[ACROSS], "method"]) == {"condPED-ANOVA"}


def test_a_network_for_each_fold_is_no_factor_beside_the_fold() -> None:
    rng = np.random.default_rng(1)
    trials = [
        trial("open", size=size, rate=rate, fold=fold, network=fold, validation=rng.normal(), test=[0.5])
        for size, rate, fold in product((2, 8), (1e-2, 1e-4), (1, 2, 3))
    ]
    table = importance(sweep(*trials)[0])
    assert set(table["method"]) == {EXACT}
    assert not table["factor"].str.contains("pretraining").any()


def test_combinations_that_were_not_run_leave_it_to_the_forest() -> None:
    results = simulated(lambda t: 0.1 * (t["layers"] == "9"))
    fewer = results[~((results["t2_train_size"] == 2) & (results["learning_rate"] == 1e-4))]
    table = importance(fewer)
    assert set(table["method"]) == {"fANOVA", "condPED-ANOVA"}
    assert of(table, "conservative")["tuned_layers"] > 0.7


def test_the_test_scores_play_no_part() -> None:
    results = simulated(lambda t: 0.1 * (t["layers"] == "9"))
    changed = results["dsc"].where(results["split"] == "validation", np.arange(len(results)) * 1.0)
    pd.testing.assert_frame_equal(importance(results), importance(results.assign(dsc=changed)))


def test_few_trials_have_no_importance() -> None:
    results, _ = sweep(*(trial(rate=10.0**-n, validation=0.1 * n, test=[0.5]) for n in range(1, 9)))
    table = importance(results)
    assert list(table.columns) == IMPORTANCE
    assert table.empty


@pytest.mark.parametrize("noise", [0.0, 1e-12])
def test_a_constant_objective_has_none_either(noise: float) -> None:
    results = simulated(lambda t: 0.5)
    wobble = noise * np.random.default_rng(1).normal(size=len(results))
    assert importance(results.assign(dsc=0.5 + wobble)).empty


def test_nor_has_a_sweep_where_nothing_varies_or_nothing_is_recorded() -> None:
    seeds = [trial(validation=0.1 * n, test=[0.5]) for n in range(9)]
    for n, given in enumerate(seeds):
        given["factors"] = given["factors"] | {"trial_key": str(n)}
    assert importance(sweep(*seeds)[0]).empty
    assert importance(sweep()[0]).empty


def test_optuna_is_left_as_it_was() -> None:
    before = optuna.logging.get_verbosity()
    importance(simulated(lambda t: 0.1 * (t["layers"] == "9")))
    assert optuna.logging.get_verbosity() == before


def test_it_is_of_the_score_that_chooses() -> None:
    """Bone depends on the learning rate, the mean of the classes on nothing."""
    trials = [
        trial(
            "open", rate=rate, fold=fold, test=[0.5], validation={"bone": b, "soft_tissue": 1 - b, "air": 0.5}
        )
        for rate, b in ((1e-2, 0.9), (1e-3, 0.5), (1e-4, 0.1))
        for fold in (1, 2, 3)
    ]
    assert importance(sweep(*trials)[0]).empty
    table = importance(sweep(*trials, chosen_by="validation/bone/dsc")[0])
    assert table.set_index("factor")["importance"]["learning_rate"] == pytest.approx(1)
