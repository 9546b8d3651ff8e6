"""How arms look in figures."""

from ablation.report.figures.arm import LOOKS, STUDYS_ORDER, look_of
from t1t2core.strategies import STRATEGIES


def test_strategies_are_told_apart_and_one_that_is_new_has_a_look_too() -> None:
    looks = {look_of(name) for name in STRATEGIES}
    assert len(looks) == len(STRATEGIES)
    assert look_of("a strategy of somebody's own") not in looks


def test_the_study_s_strategies_have_a_colour_each() -> None:
    assert [look_of(name) for name in STUDYS_ORDER] == list(LOOKS)
