"""What the page opens with: which arms, at what cost, how sure; and when no test can tell."""

import math

import numpy as np
import pytest

from ablation.report.page.conclusions import conclusions
from tests.builders.tables import of_class, sweep, trial

RNG = np.random.default_rng(0)
THREE = np.array([0.5, 0.6, 0.7])
FOURTEEN = RNG.normal(0.6, 0.05, size=14)


def test_with_three_patients_it_counts_pairs_and_says_that_this_is_no_test() -> None:
    bone, soft_tissue, air, certainty = conclusions(
        *sweep(
            trial("conservative", "9", validation=0.7, test=[0.5, 0.6, 0.7], fold=1, seconds=60),
            trial("conservative", "9", validation=0.5, test=[0.6, 0.6, 0.6], fold=2, seconds=120),
            *(trial("open", validation=0.5, test=[0.1, 0.2, 0.1], fold=fold) for fold in (1, 2)),
        )
    )
    assert bone.startswith(
        "Bone: by count, not by test, 1 of 2 arms may be the best: conservative 9. The others score lower in "
        "all pairs of patient and fold. conservative 9 is best on validation (DSC 0.600, standard deviation "
        "0.141 over 2 folds and seeds); its test DSC is 0.600. A trial of it takes 1.5 min, computed alone."
    )
    assert "Of the pairs of patient and fold it scores higher than open in 6 of 6 (+0.467)" in bone
    assert "add pretrained networks first, since one says nothing of others" in bone
    assert certainty == (
        "No test can exclude an arm: with 3 patients and one pretrained network no signed-rank test can give "
        "p below 0.25. Counts and means that all agree are no test."
    )
    assert "could hardly have been shown" not in "".join([bone, soft_tissue, air, certainty])
    assert soft_tissue.startswith("Soft tissue: by count")
    assert air.startswith("Air: by count")


def test_surfaces_of_the_best_arm_stand_beside_its_dice() -> None:
    measured = {"hausdorff_95_mm": [3.0, 5.0, 7.0], "nsd_2_mm": [0.6, 0.7, 0.8]}
    arms = [
        trial(name, validation=dice, test=THREE, surface=measured)
        for name, dice in (("open", 0.9), ("scratch", 0.1))
    ]
    (bone, *_) = conclusions(*sweep(*arms))
    assert (
        "DSC is 0.600, surface Dice within 2 mm 0.700, 95th percentile of surface distances 5.0 mm. A" in bone
    )
    (bone, *_) = conclusions(*sweep(trial(validation=0.9, test=THREE)))
    assert "its test DSC is 0.600. A trial" in bone


def test_an_arm_that_loses_some_pairs_stays_by_count_and_the_cheapest_is_named_first() -> None:
    (bone, *_) = conclusions(
        *sweep(
            trial("conservative", "9", validation=0.7, test=[0.5, 0.6, 0.7], seconds=60),
            trial("no_fine_tuning", validation=0.3, test=[0.4, 0.5, 0.8], seed=None, seconds=1),
            trial("open", validation=0.5, test=[0.1, 0.2, 0.1]),
        )
    )
    assert "2 of 3 arms may be the best, cheapest first: no_fine_tuning, conservative 9. The others" in bone
    assert "no_fine_tuning in 2 of 3 (+0.033), open in 3 of 3 (+0.467)" in bone


def test_with_several_networks_it_says_with_how_many_the_best_leads() -> None:
    gains = (0.2, 0.2, -0.1)
    (bone, *_) = conclusions(
        *sweep(
            *(trial("open", validation=0.7, test=THREE + g, network=n) for n, g in enumerate(gains)),
            *(trial("hybrid", validation=0.6 + n / 5, test=THREE, network=n) for n in (0, 1, 2)),
            *(trial("scratch", validation=0.1, test=THREE - 0.3 - n / 99, network=n) for n in (0, 1, 2)),
        )
    )
    assert bone.startswith("Bone: 2 of 3 arms may be the best, cheapest first: hybrid, open.")
    assert "over 3 folds and seeds), with 2 of 3 pretrained networks, and on the test with 1 of 3;" in bone
    assert "Shown to be worse: scratch (t test, patients and pretrained networks crossed, p < 0.05" in bone
    pairs = "Of the pairs of patient and pretrained network it scores higher than open in 3 of 9 (-0.100)."
    assert pairs in bone
    assert "The 95 % interval of a difference is about ±" in bone
    assert ": add pretrained networks first (6 pretrained networks give ±" in bone
    assert "folds or seeds give" not in bone


def test_an_arm_that_is_shown_to_be_worse_is_not_among_the_best() -> None:
    (bone, *_) = conclusions(
        *sweep(
            trial("open", validation=0.7, test=FOURTEEN, seconds=9),
            trial("scratch", validation=0.5, test=FOURTEEN - RNG.normal(0.1, 0.01, size=14)),
            trial("augmented", validation=0.6, test=FOURTEEN + RNG.normal(0, 0.01, size=14), seconds=8),
        )
    )
    assert bone.startswith(
        "Bone: 2 of 3 arms may be the best, cheapest first: augmented, open. The 95 % interval of the "
        "difference excludes the others. Shown to be worse: scratch"
    )
    assert "Of the pairs" not in bone


def test_an_arm_far_behind_is_out_by_its_interval_even_where_correction_leaves_no_test() -> None:
    """Six comparisons of three patients and three networks: Holm's correction leaves none below 0.05."""
    noise = np.random.default_rng(5)
    best = [trial("open", validation=0.9, test=THREE, network=n) for n in (0, 1, 2)]
    near = [
        trial("conservative", str(depth), validation=0.5, test=THREE + noise.normal(0, 0.01, 3), network=n)
        for depth in (3, 6, 9, 12, 15)
        for n in (0, 1, 2)
    ]
    far = [trial("scratch", validation=0.1, test=THREE - 0.3 - n / 15, network=n) for n in (0, 1, 2)]
    (bone, *_) = conclusions(*sweep(*best, *near, *far))
    assert bone.startswith("Bone: 6 of 7 arms may be the best")
    assert (
        "The 95 % interval of the difference excludes the others. Corrected for the 6 comparisons no arm"
        in bone
    )


def test_the_test_does_not_choose_and_who_leads_there_is_told() -> None:
    (bone, *_) = conclusions(
        *sweep(
            trial("open", validation=0.7, test=[0.5, 0.5, 0.5]),
            trial("hybrid", fusion="average", validation=0.6, test=[0.9, 0.9, 0.9]),
        )
    )
    assert "open is best on validation" in bone
    assert "hybrid average has the highest mean (0.900, against 0.500), but the test does not choose" in bone


def test_with_fourteen_patients_it_says_what_is_worse_and_what_is_not_to_be_told_apart() -> None:
    (bone, *_) = conclusions(
        *sweep(
            trial("open", validation=0.7, test=FOURTEEN),
            trial("scratch", validation=0.5, test=FOURTEEN - RNG.normal(0.1, 0.01, size=14)),
            trial("augmented", validation=0.6, test=FOURTEEN + RNG.normal(0, 0.01, size=14)),
        )
    )
    assert "The mean over 14 test patients is" in bone
    assert "95 % interval" in bone
    assert "Shown to be worse: scratch (Wilcoxon, p < 0.05 after Holm)" in bone
    assert "2 of 3 arms may be the best" in bone
    assert "No test" not in bone


def test_a_choice_that_the_test_patients_contradict_is_told() -> None:
    (bone, *_) = conclusions(
        *sweep(
            trial("open", validation=0.7, test=FOURTEEN),
            trial("scratch", validation=0.5, test=FOURTEEN + RNG.normal(0.1, 0.01, size=14)),
        )
    )
    assert "Shown to be better, though validation did not choose it: scratch (Wilcoxon" in bone


def test_six_patients_are_too_few_for_many_arms() -> None:
    arms = [
        trial(
            "conservative",
            str(layers),
            validation=0.5 + layers / 100,
            test=RNG.normal(0.5, 0.05, size=6),
            seconds=10 + layers,
        )
        for layers in range(8)
    ]
    (bone, *_, certainty) = conclusions(*sweep(*arms))
    assert "conservative 7 is best" in bone
    assert "8 of 8 arms may be the best, cheapest first: conservative 0" in bone
    assert (
        "no signed-rank test can give p below 0.031, and none of 7 comparisons below 0.05 after Holm."
        in certainty
    )


def test_of_many_arms_the_closest_five_are_named() -> None:
    far = [
        trial(
            "conservative", f"{n:02d}", test=FOURTEEN - n / 20 - RNG.normal(0, 0.001, size=14), validation=0.1
        )
        for n in range(1, 8)
    ]
    (bone, *_) = conclusions(*sweep(trial("open", test=FOURTEEN), *far))
    assert "worse: conservative 01, conservative 02" in bone
    assert "conservative 05 and 2 more (" in bone


def test_one_arm_only_is_reported_without_a_comparison() -> None:
    (bone, *_) = conclusions(*sweep(trial("open", test=FOURTEEN)))
    assert bone.startswith("Bone: open, the only arm that was tested.")
    assert "There is no other arm to compare it with." in bone


def test_a_class_without_a_test_score_is_undefined_not_zero() -> None:
    results, patients = sweep(trial("open", test=[0.5] * 3), trial("scratch", validation=0.4, test=[0.4] * 3))
    tested = results["split"] == "test"
    results.loc[tested & (results["class"] == "bone"), "dsc"] = math.nan
    (bone, *_) = conclusions(results, of_class(patients, "bone", math.nan))
    assert "its test DSC is undefined" in bone
    assert "No patient has a defined score under two arms" in bone


def test_nothing_recorded_has_no_answer() -> None:
    assert conclusions(*sweep()) == ["No arm has been validated yet, so there is no answer."]


@pytest.mark.parametrize(("seconds", "text"), [(7.26, "7.3 s"), (90, "1.5 min"), (9000, "2.5 h")])
def test_time_is_told_in_fitting_units(seconds: float, text: str) -> None:
    (bone, *_) = conclusions(*sweep(trial(seconds=seconds, test=[0.5])))
    assert f"takes {text}, computed alone" in bone
