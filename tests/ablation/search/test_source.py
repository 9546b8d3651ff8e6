"""A list gives its trials in order, each once its pretrained network is there."""

from collections.abc import Sequence
from dataclasses import replace

from ablation.plan.plan import Network, PlannedTrial, Trial
from ablation.search.source import Listed
from ablation.space.points import Point
from tests.builders.trials import TRIAL, plan_on_networks

POINTS = [
    Point.canonical(strategy="open", fold=fold, t2_train_size=2, learning_rate=1e-3, seed=seed)
    for seed in (0, 1)
    for fold in (1, 2)
]


def keyed(trials: Sequence[PlannedTrial], encoder: str) -> list[Trial]:
    return [trial.keyed(encoder, f"{trial.point} {encoder}") for trial in trials]


def networks_of(listed: Listed) -> list[Network]:
    given = []
    while (one := listed.next()) is not None:
        assert isinstance(one, Network)
        given.append(one)
    return given


def test_what_is_ready_comes_first_then_the_networks_that_the_others_need() -> None:
    listed = Listed([*plan_on_networks(POINTS, {}), TRIAL], keyed)
    assert listed.next() is TRIAL
    assert [one.recipe.seed for one in networks_of(listed)] == [1, 2], "each once"


def test_trials_are_given_in_their_order_once_their_network_is_there() -> None:
    trials = plan_on_networks(POINTS, {})
    listed = Listed(trials, keyed)
    first, second = networks_of(listed)
    listed.trained(second, "digest")
    given = listed.next()
    assert isinstance(given, Trial)
    assert (given.point, given.encoder) == (POINTS[1], "digest")
    listed.trained(first, "other")
    assert [trial.point for trial in listed.left()] == [POINTS[0], POINTS[2], POINTS[3]]
    rest = [listed.next() for _ in range(4)]
    assert [one and one.point for one in rest] == [POINTS[0], POINTS[2], POINTS[3], None]


def test_of_several_slots_one_trains_the_networks_that_are_left_while_others_run_trials() -> None:
    seeds = [0, 1, 2]
    points = [replace(POINTS[0], fold=fold, seed=seed) for fold in (1, 2, 3) for seed in seeds]
    listed = Listed(plan_on_networks(points, {}), keyed, slots=2)
    first, second = listed.next(), listed.next()
    assert isinstance(first, Network)
    assert isinstance(second, Network)
    listed.trained(first, "digest")
    assert isinstance(listed.next(), Trial), "the second network is under way"
    listed.trained(second, "other")
    third = listed.next()
    assert isinstance(third, Network), "that no slot is idle at the end"
    assert isinstance(listed.next(), Trial)
    listed.lost(third)
    assert [isinstance(listed.next(), Trial) for _ in range(5)] == [True] * 4 + [False]


def test_trials_of_a_network_that_cannot_be_trained_are_dropped() -> None:
    listed = Listed(plan_on_networks(POINTS, {}), keyed)
    first, _ = networks_of(listed)
    assert [trial.point for trial in listed.lost(replace(first))] == [POINTS[0], POINTS[2]]
    assert [trial.point for trial in listed.left()] == [POINTS[1], POINTS[3]]


def test_drivers_that_meet_at_a_trial_go_different_ways_and_leave_none_out() -> None:
    """Else each of many drivers would ask for every trial that another has just begun."""
    trials = [replace(TRIAL, key=str(number)) for number in range(20)]
    firsts = set()
    for _ in range(20):
        listed = Listed(trials)
        assert listed.next() is trials[0]
        listed.taken()
        given = [one.key for one in iter(listed.next, None) if isinstance(one, Trial)]
        assert sorted(given, key=int) == [trial.key for trial in trials[1:]]
        firsts.add(given[0])
    assert len(firsts) > 1
