"""What a plan's tests could show, told before anything is spent."""

import math

import numpy as np
import pytest
from scipy import stats

from ablation.report.statistics.components import Components
from ablation.report.statistics.plan_power import (
    OF_NETWORKS,
    OF_PATIENTS,
    Sample,
    detectable,
    more_networks,
    recorded_components,
    rotated_sample,
    sample_of,
    tell_power,
)
from ablation.space.design import STUDY, Design
from ablation.space.points import Point
from t1t2core.cohort.roles import FoldSplit, Roles
from tests.builders.tables import sweep, trial

PRIMARY = Design.model_validate({"primary": {"arm": "open", "against": "scratch", "class": "bone"}})


def splits(*tested: str) -> list[FoldSplit]:
    """A fold for each text, a letter a test patient."""
    none = Roles((), (), ())
    return [FoldSplit(fold, none, Roles((), (), tuple(names))) for fold, names in enumerate(tested, start=1)]


def points(folds: int, *, networks: list[int] | None = None) -> list[Point]:
    """Of every fold with every network; with a network for each fold unless given."""
    return [
        Point.canonical(strategy="open", fold=fold, seed=0, pretraining_seed=network)
        for fold in range(1, folds + 1)
        for network in (networks or [fold - 1])
    ]


def told(sample: Sample, components: Components | None = None, *, arms: int = 2) -> str:
    """The line of the plan itself."""
    return tell_power(sample, [], components, arms=arms, design=STUDY, tissue="bone")[1]


def test_how_arms_are_compared_follows_from_test_patients_and_networks() -> None:
    fixed, rotated = splits("abc", "abc", "abc"), splits("abc", "def", "gh")
    assert sample_of(points(3, networks=[0]), fixed) == Sample("one", 3, 1, 3)
    assert sample_of(points(3), fixed) == Sample("folds", 3, 3, 1)
    assert sample_of(points(3, networks=[0, 1, 2, 3]), fixed) == Sample("seeds", 3, 4, 3)
    assert sample_of(points(3), rotated) == Sample("rotated", 8, 3)
    assert sample_of(points(1), rotated) == Sample("one", 3, 1, 1), "of the folds that the space asks for"
    assert rotated_sample(rotated).sample == Sample("rotated", 8, 3)


def test_three_patients_and_one_network_can_show_nothing() -> None:
    assert told(Sample("one", 3, 1)).endswith(
        "smallest p 0.25, so that no difference can be shown, however large"
    )
    assert told(Sample("one", 5, 1)).endswith(
        "smallest p 0.062, so that no difference can be shown, however large"
    )


def test_six_patients_must_all_agree() -> None:
    """Each is positive with the chance of the sixth root of 0.8."""
    size = detectable(Sample("one", 6, 1), OF_PATIENTS)
    assert size == pytest.approx(stats.norm.ppf(0.8 ** (1 / 6)), rel=0.02)
    assert told(Sample("one", 6, 1)).endswith("smallest p 0.031, 1.79 SD") or "0.031, 1.8" in told(
        Sample("one", 6, 1)
    )


def test_with_several_networks_it_depends_on_where_the_spread_lies() -> None:
    """As if patients alone, or networks alone, were drawn: a t test over fourteen, and one over three."""
    sample = Sample("seeds", 14, 3)
    assert detectable(sample, OF_PATIENTS) == pytest.approx(0.810, abs=0.002)
    assert detectable(sample, OF_NETWORKS) == pytest.approx(3.264, abs=0.002)
    assert told(sample).endswith(
        "t test over 14 test patients and 3 pretrained networks: no smallest p, 0.81 to 3.26 SD"
    )


def test_more_networks_and_rotated_sample_are_weighed_against_the_plan() -> None:
    plan, rotated = Sample("folds", 3, 3), rotated_sample(splits("abc", "def", "ghi", "jkl", "mn"))
    _, this, of_rotated, of_more, unit = tell_power(
        plan, [rotated, more_networks(plan, 3)], None, arms=2, design=STUDY, tissue="bone"
    )
    assert this.endswith("3 test patients and 3 pretrained networks, one a fold: no smallest p, 3.26 SD")
    assert "cohort.test_patients=rotated, folds: [1, 2, 3, 4, 5]" in of_rotated
    assert "the means of 5 folds, 14 test patients: no smallest p, 1.01 to 1.68 SD" in of_rotated
    assert "(pretraining_seeds: [0, 1, 2, 3, 4, 5])" in of_more
    assert unit.startswith("  SD: standard deviation of the difference")


def test_a_difference_of_that_size_is_found_in_four_of_five_rotated_draws() -> None:
    components = Components(patient=0.02**2, network=0.03**2, fold_and_seed=math.nan, rest=math.nan)
    size = detectable(Sample("rotated", 20, 5), components)
    rng = np.random.default_rng(5)
    means = size + rng.normal(0, 0.03, (20_000, 5)) + rng.normal(0, 0.02, (20_000, 5, 4)).mean(axis=2)
    assert (stats.ttest_1samp(means, 0, axis=1).pvalue < 0.05).mean() == pytest.approx(0.8, abs=0.012)


def test_recorded_trials_tell_it_in_dice() -> None:
    rng = np.random.default_rng(6)
    base, moved = rng.normal(0.6, 0.05, 6), rng.normal(0, 0.02, (5, 6)) + rng.normal(0, 0.04, (5, 1))
    frames = sweep(
        *(trial("open", test=base + row, validation=0.7, network=i) for i, row in enumerate(moved)),
        *(trial("scratch", test=base, network=i) for i in range(5)),
    )
    components = recorded_components(*frames, STUDY)
    assert components is not None
    assert math.sqrt(components.network) == pytest.approx(0.04, rel=0.6)
    head, line, *_ = tell_power(Sample("seeds", 6, 5), [], components, arms=2, design=STUDY, tissue="bone")
    assert head.endswith("the spread is that of recorded trials, bone")
    assert line.endswith(f"no smallest p, {detectable(Sample('seeds', 6, 5), components):.3f} Dice")


def test_one_recorded_network_leaves_open_what_others_would_do() -> None:
    rng = np.random.default_rng(7)
    frames = sweep(
        trial("open", test=rng.normal(0.6, 0.03, 14), validation=0.7, network=0),
        trial("scratch", test=np.full(14, 0.5)),
    )
    components = recorded_components(*frames, PRIMARY)
    assert components is not None
    low, high = (
        told(Sample("seeds", 14, 3), components)
        .split("no smallest p, ")[1]
        .removesuffix(" Dice")
        .split(" to ")
    )
    assert float(low) == pytest.approx(0.81 * math.sqrt(components.patient), abs=0.001)
    assert float(high) == pytest.approx(3.26 * math.sqrt(components.patient), abs=0.001)


def test_nothing_is_known_of_one_arm_and_little_of_one_patient() -> None:
    assert recorded_components(*sweep(trial("open", test=[0.5, 0.6, 0.7])), STUDY) is None
    assert tell_power(Sample("one", 14, 1), [], None, arms=1, design=STUDY, tissue="bone") == []
    several = told(Sample("seeds", 1, 5))
    assert several.endswith("1 test patient and 5 pretrained networks: no smallest p, 1.68 SD")


def test_without_a_primary_comparison_several_share_the_error() -> None:
    correction = "Holm's correction multiplies p by up to 6"
    assert correction in tell_power(Sample("one", 14, 1), [], None, arms=7, design=STUDY, tissue="bone")[-1]
    assert correction not in "".join(
        tell_power(Sample("one", 14, 1), [], None, arms=7, design=PRIMARY, tissue="bone")
    )
