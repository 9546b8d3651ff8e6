"""What each change did: one at a time against a reference, and on average over a grid."""

from typing import Any

import numpy as np
import pytest

from ablation.report.statistics.contrasts import ablation_table, main_effects
from ablation.space.design import Design, Equivalence
from tests.builders.tables import sweep, trial

SKIP, LOSS = "network.skip_connections", "training.loss"
RNG = np.random.default_rng(0)
PATIENTS = 0.6 + RNG.normal(0, 0.05, size=14)
NETWORKS = RNG.normal(0, 0.01, size=3)
ONE_AT_A_TIME = Design(
    method="one_at_a_time",
    settings=(SKIP, LOSS),
    reference={SKIP: "none", LOSS: "dice", "t2_train_size": "8"},
    equivalence=Equivalence(dsc=0.02),
)
GRID = Design(settings=(SKIP, LOSS))


def arm(skip: str, loss: str, gain: float, **more: Any) -> list[dict[str, Any]]:
    """A trial a fold, each with a network of its own, `gain` above what patients and networks give."""
    return [
        trial(
            test=PATIENTS + NETWORKS[network] + gain + RNG.normal(0, 0.002, size=14),
            fold=network + 1,
            network=network,
            settings={SKIP: skip, LOSS: loss},
            **more,
        )
        for network in range(3)
    ]


def test_a_change_is_told_by_its_difference_from_the_reference_the_largest_first() -> None:
    arms = [*arm("none", "dice", 0), *arm("none", "cross", 0.001), *arm("concatenation", "dice", 0.1)]
    table = ablation_table(*sweep(*arms, design=ONE_AT_A_TIME), ONE_AT_A_TIME)
    assert table["change"].tolist() == [
        "reference",
        f"{SKIP}: none to concatenation",
        f"{LOSS}: dice to cross",
    ]
    assert set(table["reference"]) == {"open"}
    assert table["bone_dsc"].tolist() == pytest.approx([0.6, 0.1, 0.0], abs=0.03)
    assert table["bone_verdict"].tolist()[1:] == ["better", "practically equal"]
    assert table["bone_low"][1] < 0.1 < table["bone_high"][1]


def test_each_strategy_has_a_reference_of_its_own() -> None:
    both = [
        one
        for strategy in ("open", "scratch")
        for skip, gain in (("none", 0.0), ("concatenation", 0.1))
        for one in arm(skip, "dice", gain, strategy=strategy)
    ]
    table = ablation_table(*sweep(*both, design=ONE_AT_A_TIME), ONE_AT_A_TIME)
    assert table["reference"].tolist() == ["open", "open", "scratch", "scratch"]
    assert table["change"].tolist() == ["reference", f"{SKIP}: none to concatenation"] * 2


def test_a_main_effect_is_paired_over_all_else_and_an_interaction_is_what_is_left() -> None:
    arms = [
        *arm("none", "dice", 0),
        *arm("none", "cross", 0.02),
        *arm("concatenation", "dice", 0.1),
        *arm("concatenation", "cross", 0.2),
    ]
    effects = main_effects(*sweep(*arms, design=GRID), GRID)
    bone = effects[effects["class"] == "bone"].set_index("factor")
    assert bone["difference"].to_dict() == pytest.approx(
        {SKIP: 0.14, LOSS: 0.06, f"{SKIP} x {LOSS}": 0.08}, abs=0.005
    )
    assert bone["arms"].to_dict() == {SKIP: 4, LOSS: 4, f"{SKIP} x {LOSS}": 4}
    assert set(bone["verdict"]) == {"better"}


def test_an_effect_is_told_of_those_arms_only_that_are_alike_in_all_else() -> None:
    arms = [*arm("none", "dice", 0), *arm("concatenation", "dice", 0.1), *arm("none", "cross", 0.02)]
    effects = main_effects(*sweep(*arms, design=GRID), GRID)
    bone = effects[effects["class"] == "bone"].set_index("factor")
    assert bone["difference"].to_dict() == pytest.approx({SKIP: 0.1, LOSS: 0.02}, abs=0.005)


def test_a_space_of_the_studys_factors_has_neither() -> None:
    results, patients = sweep(trial("open", test=[0.5, 0.6]), trial("scratch", test=[0.4, 0.5]))
    assert ablation_table(results, patients, Design()).empty
    assert main_effects(results, patients, Design()).empty
