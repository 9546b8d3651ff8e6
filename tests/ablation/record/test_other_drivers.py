"""A driver knows whether it is alone on a record."""

import time

import pytest

from ablation.record.driver import GONE_LEASES, this_driver
from ablation.record.ledger import Ledger
from ablation.record.other_drivers import LEFT, OtherDrivers

LEASE = 60.0
ELSEWHERE = "driver.elsewhere"


@pytest.fixture
def experiment(ledger: Ledger) -> str:
    return ledger.experiment("conservative")


def leave_tag(ledger: Ledger, experiment: str, driver: str, ago: float) -> None:
    ledger.tag_experiment(experiment, ELSEWHERE, f"{driver} {time.time() - ago:.3f}")


def test_a_driver_with_a_record_of_its_own_is_alone(ledger: Ledger, experiment: str) -> None:
    others = OtherDrivers(ledger, experiment, LEASE)
    assert others.absent
    assert others.look()


@pytest.mark.parametrize("space", ["conservative", "another"])
def test_whoever_comes_is_seen_in_whatever_experiment(ledger: Ledger, experiment: str, space: str) -> None:
    others = OtherDrivers(ledger, experiment, LEASE)
    leave_tag(ledger, ledger.experiment(space), "elsewhere/1/1", ago=0)
    assert not others.look()


def test_whoever_comes_and_goes_is_seen(ledger: Ledger, experiment: str) -> None:
    others = OtherDrivers(ledger, experiment, LEASE)
    ledger.tag_experiment(experiment, ELSEWHERE, LEFT)
    assert not others.look()
    ledger.untag_experiment(experiment, ELSEWHERE)
    assert not others.look(), "what it did meanwhile is not known"


@pytest.mark.parametrize("ago", [0.0, 2 * LEASE])
def test_whoever_was_there_and_may_come_back_counts(ledger: Ledger, experiment: str, ago: float) -> None:
    leave_tag(ledger, experiment, "elsewhere/1/1", ago)
    assert not OtherDrivers(ledger, experiment, LEASE).absent


def test_whoever_is_gone_is_forgotten(ledger: Ledger, experiment: str) -> None:
    machine = this_driver().partition("/")[0]
    leave_tag(ledger, experiment, f"{machine}/1/another start", ago=0)
    ledger.tag_experiment(ledger.experiment("silent"), ELSEWHERE, f"elsewhere/1/1 {time.time() - 1e6:.3f}")
    ledger.tag_experiment(ledger.experiment("ended"), ELSEWHERE, LEFT)
    assert GONE_LEASES * LEASE < 1e6
    assert OtherDrivers(ledger, experiment, LEASE).absent
    assert [tags for tags in ledger.experiment_tags().values() if ELSEWHERE in tags] == []


def test_a_driver_that_has_left_is_no_company_for_the_next(ledger: Ledger, experiment: str) -> None:
    OtherDrivers(ledger, experiment, LEASE).leave()
    (mine,) = [tags for tags in ledger.experiment_tags().values() if LEFT in tags.values()]
    assert ELSEWHERE not in mine
    assert OtherDrivers(ledger, ledger.experiment("another"), LEASE).absent


def test_a_run_under_way_is_company_too(ledger: Ledger, experiment: str) -> None:
    parent = ledger.open_plan(experiment, "plan", "conservative", {})
    run_id = ledger.start_trial(experiment, parent, "open", params={}, tags={"trial_key": "k"})
    assert OtherDrivers(ledger, experiment, LEASE).absent, "it is our own"
    ledger.client.set_tag(run_id, "driver", "elsewhere/1/1")
    assert not OtherDrivers(ledger, experiment, LEASE).absent
