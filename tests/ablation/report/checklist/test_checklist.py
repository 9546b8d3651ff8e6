"""The checklist that authors complete: what the record tells, and what it cannot."""

import re
from collections.abc import Sequence
from dataclasses import replace

import pytest

from ablation.names import SUBJECTS_FILE
from ablation.record.ledger import Ledger
from ablation.record.plan_record import PlanRecord
from ablation.record.results import patients_frame, results_frame
from ablation.record.settings import as_params
from ablation.report.checklist.checklist import TO_FILL, checklist, checklist_document, checklist_sheets
from ablation.report.checklist.facts import Facts
from ablation.report.checklist.flow import patient_flow
from ablation.report.checklist.items import ITEMS
from t1t2core.settings import CohortSettings, Settings
from tests.builders.recorded_sweeps import add_sweep, factors

SUBJECTS = """subject,sequences,fold_1_T1,fold_1_T2,fold_2_T1,fold_2_T2,T1_alignment_ok,warnings,SEX
sub-01,T1 T2,test,test,test,test,True,,F
sub-02,T1 T2,test,test,test,test,False,T1w: it seems to have no skull,F
sub-03,T1 T2,test,test,test,test,True,,M
sub-04,T1 T2,training,training,training,validation,True,,M
sub-05,T1 T2,validation,validation,training,training,True,,M
sub-06,T1,training,,validation,,True,T2w left out: no run 1 (has 2),M
sub-07,,,,,,,left out: no ct of session pre (has post),
sub-08,,,,,,,left out: no ct of session pre (has post),
""".replace("SEX", "participant_sex")


@pytest.fixture
def record(ledger: Ledger) -> PlanRecord:
    """Of two folds, without table of subjects and settings, as the oldest records are."""
    return add_sweep(ledger, [factors(name, fold=fold) for name in ("open", "scratch") for fold in (1, 2)])


def facts_of(
    record: PlanRecord,
    *,
    subjects: str = SUBJECTS,
    settings: Settings | None = None,
    warnings: Sequence[str] = (),
) -> Facts:
    files = {**record.files, **({SUBJECTS_FILE: subjects.encode()} if subjects else {})}
    params = {} if settings is None else as_params(settings)
    records = [replace(one, params={**one.params, **params}) for one in record.records]
    whole = replace(record, files=files, records=records)
    return Facts(whole, results_frame(records), patients_frame(records), warnings)


def answers(facts: Facts) -> dict[str, str]:
    return checklist(facts).set_index("item")["from_the_record"].to_dict()


def test_every_item_names_its_guidelines_and_has_an_answer_or_a_mark(record: PlanRecord) -> None:
    table = checklist(facts_of(record))
    assert len(table) == len(ITEMS) >= 35
    assert ((table["from_the_record"] != "") | (table["by_the_authors"] != "")).all()
    texts = [part for text in table["guidelines"] for part in re.findall(r"CLAIM ([\d, -]+)", text)]
    numbers = {number for text in texts for number in _numbers(text)}
    assert numbers >= set(range(4, 45)), "every item of CLAIM beyond title, abstract and background"


def _numbers(text: str) -> list[int]:
    parts = [part.split("-") for part in re.findall(r"\d+(?:-\d+)?", text)]
    return [number for part in parts for number in range(int(part[0]), int(part[-1]) + 1)]


def test_what_the_settings_tell_is_told(record: PlanRecord) -> None:
    told = answers(facts_of(record, settings=Settings(cohort=CohortSettings(split_seed=7))))
    labels = told["How the reference labels were made"]
    assert labels.startswith("From CT: bone above 600 HU, air below -500 HU")
    assert "(seed 7); one test set" in told["How patients were assigned"]
    assert "`test_disjoint`" in told["Level at which roles are disjoint"]
    assert told["Registration"].startswith("Rigid, CT onto each MR scan")


def test_what_was_not_recorded_is_asked_of_the_authors(record: PlanRecord) -> None:
    """Defaults of today are no settings of then."""
    table = checklist(facts_of(record, subjects="")).set_index("item")
    for item in ("Registration", "Training", "Flow of the patients"):
        assert table.loc[item, "from_the_record"] == ""
        assert table.loc[item, "by_the_authors"] == item


def test_the_flow_goes_from_those_who_were_read_to_those_who_were_scored(record: PlanRecord) -> None:
    settings = Settings(cohort=CohortSettings(exclude=("sub-09",)))
    flow = patient_flow(facts_of(record, settings=settings)).set_index("step")
    assert flow.loc["left out by cohort.exclude", "T1w"] == 1
    assert flow.loc["left out", "T1w"] == 2
    assert flow.loc["left out", "who_and_why"] == "sub-07, sub-08: no ct of session pre (has post)"
    assert flow.loc["T2w scan left out", "who_and_why"] == "sub-06: no run 1 (has 2)"
    assert flow.loc["took part", ["T1w", "T2w"]].tolist() == [6, 5]
    assert flow.loc["fold 1: training", ["T1w", "T2w"]].tolist() == [2, 1]
    assert flow.loc["fold 2: validation", ["T1w", "T2w"]].tolist() == [1, 1]
    assert flow.loc["fold 2: test", "who_and_why"] == "T2w: sub-01, sub-02, sub-03"
    assert flow.loc["scored as test patients", "T2w"] == 3


def test_folds_with_the_same_roles_are_told_once(record: PlanRecord) -> None:
    same = SUBJECTS.replace("training,training,training,validation", "training,training,training,training")
    same = same.replace(
        "validation,validation,training,training", "validation,validation,validation,validation"
    )
    same = same.replace("training,,validation,", "training,,training,")
    steps = patient_flow(facts_of(record, subjects=same))["step"].tolist()
    assert [step for step in steps if step.startswith("fold")] == [
        "folds 1, 2: training",
        "folds 1, 2: validation",
        "folds 1, 2: test",
    ]


def test_what_is_known_of_patients_and_scans_is_told(record: PlanRecord) -> None:
    told = answers(facts_of(record, warnings=["The heads are few."]))
    assert told["Characteristics of the patients"] == "sex: F 2, M 4"
    assert told["Groups of patients, fairness"] == "Scores by sex: table `subgroups`, without tests."
    assert told["Missing scans and values"].startswith("1 of 6 patients have no T2w scan")
    assert told["Who labelled, and how much raters differ"].endswith("the program doubts: 1: sub-02.")
    assert told["Limits"] == "The heads are few."
    assert told["Where it fails"].startswith("Lowest Dice of bone of the best arm: sub-01")


def test_the_document_has_a_box_for_each_item_and_marks_what_is_left(record: PlanRecord) -> None:
    facts = facts_of(record, settings=Settings())
    text, table = checklist_document(facts), checklist(facts)
    left = int((table["by_the_authors"] != "").sum())
    assert text.count("- [ ] ") == text.count(TO_FILL) == left
    assert text.count("- [x] ") == len(table) - left
    assert "| took part | 6 | 5 |" in text
    assert [line[3:] for line in text.splitlines() if line.startswith("## ")] == [
        *table["group"].drop_duplicates(),
        "Flow of the patients",
    ]


def test_the_page_shows_both_tables(record: PlanRecord) -> None:
    assert [sheet.name for sheet in checklist_sheets(facts_of(record))] == ["patient_flow", "checklist"]
    assert [sheet.name for sheet in checklist_sheets(facts_of(record, subjects=""))] == ["checklist"]
