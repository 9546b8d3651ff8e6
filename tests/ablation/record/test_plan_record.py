"""What the record has about a plan: finished, unfinished, failed, or nothing of that name."""

import pytest

from ablation.record.ledger import Ledger
from ablation.record.plan_record import read_plan
from t1t2core.errors import InputError
from tests.builders.recorded_sweeps import add_sweep, factors

ARMS = [factors("no_fine_tuning"), factors("open"), factors("conservative", "9")]


def test_a_finished_plan(ledger: Ledger) -> None:
    plan = add_sweep(ledger, ARMS)
    assert plan.space == "sweep"
    assert [record.tags["trial_key"] for record in plan.records] == list(plan.plan["trial_key"])
    assert (plan.missing, plan.failed, plan.simulated) == (0, {}, False)
    assert plan.tags["cohort"] == "clinic"


def test_an_unfinished_plan_with_a_failure(ledger: Ledger) -> None:
    plan = add_sweep(ledger, ARMS, unfinished=2, failed={"open": "out of memory"})
    assert (len(plan.records), plan.missing) == (1, 2)
    assert plan.failed == {"open": "out of memory"}


def test_a_trial_that_failed_and_then_finished_is_no_failure(ledger: Ledger) -> None:
    assert add_sweep(ledger, ARMS, failed={"sweep 1": "a worker died"}).failed == {}


def test_of_two_plans_the_one_that_was_worked_on_last(ledger: Ledger) -> None:
    older = add_sweep(ledger, ARMS)
    ledger.client.set_tag(older.parent.info.run_id, "opened", "1")
    experiment = ledger.experiment("sweep")
    newer = ledger.open_plan(experiment, "another", "sweep", {"cohort": "newer"})
    ledger.keep_files(newer, older.files)
    assert read_plan(ledger, "sweep").tags["cohort"] == "newer"


def test_a_name_that_is_not_there_gives_the_nearest(ledger: Ledger) -> None:
    for name in ("conservative", "open"):
        add_sweep(ledger, ARMS[:1], space=name)
    with pytest.raises(InputError, match=r"named conservativ in .*; recorded are conservative$"):
        read_plan(ledger, "conservativ")


def test_an_empty_record_says_that_it_is_empty(ledger: Ledger) -> None:
    with pytest.raises(InputError, match="nothing is recorded there"):
        read_plan(ledger, "sweep")


def test_a_parent_run_without_its_plan(ledger: Ledger) -> None:
    ledger.open_plan(ledger.experiment("old"), "key", "old", {})
    with pytest.raises(InputError, match=r"has no plan\.csv; give the command that made it again"):
        read_plan(ledger, "old")
