"""How many pretrained networks it takes, and the sentence that says so."""

from dataclasses import replace

import numpy as np
import pytest

from ablation.report.statistics.crossed import crossed
from ablation.report.statistics.estimates import Estimates
from ablation.report.statistics.network_power import (
    describe_networks,
    expected_error,
    networks_needed,
)
from tests.builders.random_effects import random_tables


def seen(difference: float, *, patient: float, network: float, rest: float, patients: int = 14) -> Estimates:
    """A difference on `patients` and 5 networks, with these variance components."""
    some = crossed(random_tables(1, patients, 5, network_share=0.5))
    return replace(
        some,
        mean=np.array([difference]),
        patient_variance=np.array([patient]),
        network_variance=np.array([network]),
        rest_variance=np.array([rest]),
        network_spread=np.array([network**0.5]),
    )


def test_that_many_networks_find_the_difference_in_four_of_five_studies() -> None:
    """The answer is tried out: studies of that size are drawn, and tested as the report tests them."""
    needed = networks_needed(seen(0.8, patient=0.3, network=0.4, rest=0.3))[0]
    found = crossed(random_tables(4000, 14, int(needed), network_share=0.4) + 0.8)
    assert 5 < needed < 12
    assert np.mean((found.p < 0.05) & (found.mean > 0)) == pytest.approx(0.8, abs=0.03)


def test_one_network_fewer_is_too_few() -> None:
    for difference in (0.4, 0.8, 1.6):
        estimates = seen(difference, patient=0.1, network=0.4, rest=0.5)
        needed = int(networks_needed(estimates)[0])
        fewer = crossed(
            random_tables(4000, 14, needed - 1, network_share=0.4, patient_share=1 / 6) + difference
        )
        assert np.mean(fewer.p < 0.05) < 0.82


def test_a_difference_of_either_sign_takes_as_many() -> None:
    up, down = (networks_needed(seen(sign * 0.8, patient=0.3, network=0.4, rest=0.3)) for sign in (1, -1))
    assert up == down


def test_networks_cannot_make_up_for_patients() -> None:
    """Three patients who differ as much as this leave an error that no network takes away."""
    estimates = seen(0.5, patient=0.5, network=0.4, rest=0.1, patients=3)
    assert networks_needed(estimates).tolist() == [np.inf]
    assert (
        "no number of pretrained networks tells these arms apart with these 3 patients"
        in describe_networks(estimates)[0]
    )


def test_more_networks_make_the_expected_error_smaller_but_not_below_the_patients_share() -> None:
    estimates = seen(0.5, patient=0.7, network=0.4, rest=0.1)
    errors = [
        expected_error(estimates, np.array([14]), np.array([networks]))[0][0] for networks in (2, 5, 1000)
    ]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] == pytest.approx((0.7 / 14) ** 0.5, rel=0.01)


def test_the_sentence_says_how_far_a_network_moves_the_difference_and_how_well_that_is_known() -> None:
    estimates = seen(0.8, patient=0.3, network=0.4, rest=0.3)
    needed = int(networks_needed(estimates)[0])
    assert describe_networks(estimates) == [
        "Another pretrained network would move this difference by 0.632 (standard deviation over 5 "
        "pretrained networks, 95 % interval 0.379 to 1.817). If the true difference is 0.800, as seen here, "
        f"{needed} pretrained networks tell these arms apart with these 14 patients (80 % power, two-sided 5 "
        "%)."
    ]
    by_fold = describe_networks(estimates, network="FLAIR network with its fold")[0]
    assert by_fold.startswith("Another FLAIR network with its fold would move")
    assert "over 5 FLAIR networks with their folds," in by_fold


def test_one_network_says_nothing_of_others() -> None:
    estimates = crossed(random_tables(1, 14, 1, network_share=0.0))
    assert np.isnan(networks_needed(estimates)).all()
    told = "14 patients, 1 pretrained network: two of each are needed to say this."
    assert describe_networks(estimates) == [told]


def test_arms_that_score_the_same_need_no_networks() -> None:
    assert describe_networks(crossed(np.zeros((1, 4, 3)))) == [
        "All values are equal: another pretrained network can be expected to change nothing."
    ]
