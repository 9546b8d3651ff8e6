"""A model is found by what the user calls it; what is not there is told with the nearest that is."""

from dataclasses import replace

import pytest

from ablation.models.find import best_model, find_model
from ablation.names import OPENED, PLAN_FILE
from ablation.record.ledger import Ledger
from ablation.record.plan_record import read_plan
from t1t2core.errors import InputError
from tests.builders.records import SMALL, record_trial


def ids(ledger: Ledger, name: str, sequence: str = "T2") -> list[str]:
    model = find_model(ledger, name, sequence)  # type: ignore[arg-type]
    return [run.info.run_id for run in model.runs]


def test_the_best_arm_of_a_class_is_that_of_the_mean_over_folds_and_all_its_folds_are_taken(
    ledger: Ledger,
) -> None:
    for fold, dice in ((1, 0.9), (2, 0.1)):
        record_trial(ledger, tuned_layers=3, fold=fold, dice={"bone": dice, "soft_tissue": 0.9})
    steady = [record_trial(ledger, tuned_layers=9, fold=f, dice={"bone": 0.6, "air": 0.3}) for f in (2, 1)]
    assert ids(ledger, "best:conservative:bone") == steady[::-1]
    assert len(ids(ledger, "best:conservative:soft_tissue")) == 2
    assert not {*ids(ledger, "best:conservative:soft_tissue")} & {*steady}
    about = find_model(ledger, "best:conservative:bone", "T2").about
    assert about == "conservative 9, 8 patients of conservative: validation DSC of bone 0.600, mean of 2"


def test_each_arm_competes_at_the_rate_that_was_best_for_it(ledger: Ledger) -> None:
    record_trial(ledger, rate=1e-2, dice={"bone": 0.7, "soft_tissue": 0.1, "air": 0.1})
    good = record_trial(ledger, rate=1e-3, dice={"bone": 0.6, "soft_tissue": 0.9, "air": 0.9})
    assert ids(ledger, "best:conservative:bone") == [good]


def test_the_class_chooses_the_arm_and_choose_by_the_values_in_it(ledger: Ledger) -> None:
    settings = replace(SMALL, evaluation=replace(SMALL.evaluation, choose_by="bone"))
    for layers in (3, 9):
        record_trial(
            ledger,
            tuned_layers=layers,
            rate=1e-3,
            dice={"bone": 0.2, "soft_tissue": 0.9, "air": 0.9},
            settings=settings,
        )
    good = record_trial(
        ledger,
        tuned_layers=9,
        rate=1e-2,
        dice={"bone": 0.7, "soft_tissue": 0.1, "air": 0.95},
        settings=settings,
    )
    assert ids(ledger, "best:conservative:bone") == [good]
    assert ids(ledger, "best:conservative:soft_tissue") != [good], "the arm is chosen by the class"
    found = best_model(ledger, read_plan(ledger, "conservative"), "air")
    assert [run.info.run_id for run in found.runs] == [good]
    assert found.choice == "as chosen on validation by Dice of bone"


def test_an_arm_that_lacks_folds_comes_with_a_warning(ledger: Ledger) -> None:
    record_trial(ledger, tuned_layers=3, fold=1, dice=0.4)
    record_trial(ledger, tuned_layers=3, fold=2, dice=0.4)
    record_trial(ledger, tuned_layers=9, fold=1, dice=0.6)
    assert best_model(ledger, read_plan(ledger, "conservative"), "bone").warnings == (
        "it has 1 of 2 folds and seeds so far",
    )


def test_of_two_plans_of_a_space_the_one_worked_on_last_counts_with_what_it_reused(ledger: Ledger) -> None:
    old = record_trial(ledger, plan="first", dice=0.9)
    new = record_trial(ledger, plan="second", tuned_layers=3, dice=0.5)
    opened = {one.data.tags["plan_key"]: one.info.run_id for one in ledger.plans("conservative")}
    ledger.client.set_tag(opened["first"], OPENED, "1")
    assert ids(ledger, "best:conservative:bone") == [new]
    key = ledger.client.get_run(old).data.tags["trial_key"]
    both = (ledger.read_file(opened["second"], PLAN_FILE) or b"").decode() + f"{key},8,1,0\n"
    ledger.keep_files(opened["second"], {PLAN_FILE: both.encode()})
    assert ids(ledger, "best:conservative:bone") == [old]


def test_an_unfinished_sweep_is_taken_as_it_stands_and_said_to_be(ledger: Ledger) -> None:
    run = record_trial(ledger)
    ledger.client.set_terminated(record_trial(ledger, fold=2), "KILLED")
    found = best_model(ledger, read_plan(ledger, "conservative"), "bone")
    assert [one.info.run_id for one in found.runs] == [run]
    assert found.warnings == ("1 of 2 trials of conservative are not finished: this is as it stands",)


def test_the_best_on_t1w_is_sought_among_what_was_scored_there(ledger: Ledger) -> None:
    record_trial(ledger, dice=0.9)
    with pytest.raises(InputError, match="no arm of conservative was scored on T1w"):
        find_model(ledger, "best:conservative:bone", "T1")
    given = {"strategy": "no_fine_tuning", "tuned_layers": None, "rate": None, "dice": 0.2}
    untuned = record_trial(ledger, sequences=("T1", "T2"), **given)  # type: ignore[arg-type]
    assert ids(ledger, "best:conservative:bone", "T1") == [untuned]


def test_one_run_is_found_by_its_identifier(ledger: Ledger) -> None:
    run = record_trial(ledger)
    assert ids(ledger, f"runs:/{run}") == [run]


def test_what_is_not_there_is_told_with_the_nearest(ledger: Ledger) -> None:
    run = record_trial(ledger)
    wrong = run[:-1] + ("0" if run[-1] != "0" else "1")
    for name, message in {
        f"runs:/{wrong}": f"no run {wrong} in .*; did you mean '{run}'",
        "best:conservativ:bone": "no run of a search space named conservativ .*; recorded are conservative",
        "best:conservative:bones": "'bones' is no class; .*; did you mean 'bone'",
        "models:/bone/1": "no such registered model; none is registered",
        "conservative": "a model is runs:/ID, models:/NAME/VERSION or best:SPACE:CLASS",
        "models:/bone": "a model is runs:/ID",
    }.items():
        with pytest.raises(InputError, match=message):
            find_model(ledger, name, "T2")


def test_runs_that_are_no_finished_trials_are_refused(ledger: Ledger) -> None:
    run = record_trial(ledger)
    parent = ledger.client.get_run(run).data.tags["mlflow.parentRunId"]
    with pytest.raises(InputError, match=r"is a whole plan; .*best:conservative:CLASS"):
        find_model(ledger, f"runs:/{parent}", "T2")
    ledger.client.set_terminated(run, "KILLED")
    with pytest.raises(InputError, match="did not finish: KILLED"):
        find_model(ledger, f"runs:/{run}", "T2")
    with pytest.raises(InputError, match="no trial of conservative is finished"):
        find_model(ledger, "best:conservative:bone", "T2")
    foreign = ledger.client.create_run(ledger.experiment("other"), run_name="sklearn").info.run_id
    with pytest.raises(InputError, match=r"sklearn\) is no trial of this program"):
        find_model(ledger, f"runs:/{foreign}", "T2")
