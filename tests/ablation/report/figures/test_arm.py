"""How arms look in figures."""

from ablation.report.figures.arm import LOOKS, look_of
from t1t2core.strategies import STRATEGIES


def test_strategies_are_told_apart_and_one_that_is_new_has_a_look_too() -> None:
    assert len({look_of(name) for name in STRATEGIES}) == len(STRATEGIES)
    assert look_of("a strategy of somebody's own") in LOOKS
