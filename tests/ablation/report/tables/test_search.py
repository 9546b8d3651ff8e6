"""What a search came to: the best by validation with its spread, or a front, and what was given up."""

import json
from collections.abc import Sequence

import pytest

from ablation.models.find import best_model
from ablation.names import PLAN_FILE, SEARCH
from ablation.record.ledger import Ledger
from ablation.record.plan_record import PlanRecord, read_plan
from ablation.report.page.sheets import sheets
from ablation.report.tables.frames import Frames
from ablation.report.tables.search import choice_sentences, choose, scored_candidates, search_table
from ablation.search.candidates import Candidate
from tests.builders.recorded_sweeps import add_sweep, factors
from tests.builders.records import record_trial

DICE = ["validation/bone/dsc"]
OPEN = Candidate(arm=0, strategy="open", t2_train_size=8, learning_rate=0.001)


def conservative(layers: int) -> Candidate:
    return Candidate(
        arm=1, strategy="conservative", tuned_layers=layers, t2_train_size=8, learning_rate=0.001
    )


def add_search(ledger: Ledger, objectives: Sequence[str] = DICE) -> PlanRecord:
    """Candidates: two whole, the later the better, and one that was given up after the first of two folds."""
    arms = [("open", None), ("conservative", "9"), ("conservative", "18")]
    planned = [factors(*arm, fold=fold) for arm in arms for fold in (1, 2)]
    tags = {
        SEARCH: json.dumps({"objective": list(objectives)}),
        "candidate.0001": OPEN.to_json(),
        "candidate.0002": conservative(9).to_json(),
        "candidate.0003": conservative(18).to_json(),
        "pruned.0003": json.dumps({"reason": "worse", "values": [0.7]}),
    }
    plan = add_sweep(ledger, planned, unfinished=1, tags=tags).plan
    plan["status"] = ["recorded"] * 5 + ["pruned"]
    parent = ledger.plans("sweep")[0].info.run_id
    ledger.keep_files(parent, {PLAN_FILE: plan.to_csv(index=False).encode()})
    return read_plan(ledger, "sweep")


def test_the_best_whole_candidate_is_chosen_and_its_spread_told(ledger: Ledger) -> None:
    record = add_search(ledger)
    assert choice_sentences(record) == [
        "Chosen by validation/bone/dsc of 3 candidates, 1 of them given up early: conservative 9, 8 "
        "patients, learning rate 0.001: 0.625 (mean of 2 trials, standard deviation 0.035)."
    ]
    table = search_table(record)
    assert list(table["state"]) == ["whole", "whole", "pruned"]
    assert list(table["choice"]) == ["", "chosen", ""]
    assert list(table["trials"]) == [2, 2, 1]
    assert table["why"].iloc[2] == "worse"


def test_several_objectives_have_a_front(ledger: Ledger) -> None:
    objectives = ["validation/bone/dsc", "time/total_seconds"]
    record = add_search(ledger, objectives)
    (slow,) = (run for run in record.records if run.name == "sweep 3")
    slow.metrics["time/total_seconds"] = 99.0
    best = choose(scored_candidates(record), objectives)
    assert [one.number for one in best] == [2, 1]
    (sentence,) = choice_sentences(record)
    assert sentence.startswith("Pareto front of validation/bone/dsc and time/total_seconds of 3 candidates")
    assert list(search_table(record)["choice"]) == ["on the front", "on the front", ""]


def test_what_was_pruned_enters_no_table_no_choice_and_is_not_missing(ledger: Ledger) -> None:
    record = add_search(ledger)
    assert (len(record.records), len(record.partial), record.finished) == (4, 1, 5)
    assert (record.pruned, record.missing) == (1, 0)
    groups = sheets(record, Frames(record))
    assert [sheet.name for sheet in groups["The search"]] == ["search"]
    compared = groups["Statistical comparisons"][0].frame
    assert "conservative 18" not in {*compared["first"], *compared["second"]}
    assert "conservative 9" in best_model(ledger, record, "bone").about


@pytest.mark.parametrize(
    ("objectives", "words"),
    [
        (["validation/air/jsc"], "on validation by Jaccard index of air"),
        (["time/epochs", "validation/bone/dsc"], "by the least number of epochs"),
    ],
)
def test_its_report_chooses_by_the_same_objective(ledger: Ledger, objectives: list[str], words: str) -> None:
    record = add_search(ledger, objectives)
    (rates, *_) = sheets(record, Frames(record))["Choices on validation"]
    assert f"Chosen: as chosen {words}; test scores" in rates.note


def test_the_rate_that_the_search_finds_best_is_the_one_that_the_report_shows(ledger: Ledger) -> None:
    """By bone the low rate is better, by the mean of the classes the high one."""
    tags = {SEARCH: json.dumps({"objective": DICE})}
    dice = {1e-2: {"bone": 0.2, "soft_tissue": 0.9, "air": 0.9}, 1e-3: {"bone": 0.6, "soft_tissue": 0.3}}
    runs = {rate: record_trial(ledger, rate=rate, dice=one) for rate, one in dice.items()}
    parent = ledger.plans("conservative")[0].info.run_id
    for name, value in tags.items():
        ledger.client.set_tag(parent, name, value)
    (found,) = best_model(ledger, read_plan(ledger, "conservative"), "air").runs
    assert found.info.run_id == runs[1e-3]


def test_a_grid_has_no_search(ledger: Ledger) -> None:
    record = add_sweep(ledger, [factors("open"), factors("open", fold=2)])
    assert choice_sentences(record) == []
    assert search_table(record).empty
    assert record.partial == []


def test_without_a_whole_candidate_nothing_is_chosen(ledger: Ledger) -> None:
    tags = {SEARCH: json.dumps({"objective": DICE}), "candidate.0001": OPEN.to_json()}
    record = add_sweep(ledger, [factors("open"), factors("open", fold=2)], unfinished=1, tags=tags)
    assert choice_sentences(record) == ["No candidate of the search is whole yet, so nothing is chosen."]
    assert [one.state for one in scored_candidates(record)] == ["unfinished"]
