"""What the page says of a sweep: finished, broken off, of one arm, simulated, with failures."""

import json
from pathlib import Path

import pandas as pd
import pytest
from mlflow.utils.file_utils import local_file_uri_to_path

from ablation.names import NOTE
from ablation.record.ledger import Ledger
from ablation.record.plan_record import PlanRecord, read_plan
from ablation.record.results import results_frame
from ablation.report.page.compose import compose_page
from ablation.report.page.conclusions import NO_TEST
from ablation.report.page.html import Page, render_page
from ablation.report.page.mlflow_note import note_of
from ablation.report.page.sheets import sheets
from ablation.report.tables.frames import Frames
from tests.builders.recorded_sweeps import add_sweep, factors

ARMS = [factors("no_fine_tuning"), factors("open"), factors("conservative", "9")]


def compose(record: PlanRecord) -> Page:
    """Without its figures."""
    frames = Frames(record)
    return compose_page(record, frames.results, frames.patients, [], sheets(record, frames))


def test_a_finished_sweep_opens_with_the_answer_and_without_warnings(ledger: Ledger) -> None:
    page = compose(add_sweep(ledger, ARMS))
    assert page.warnings == []
    assert page.title.startswith("sweep: ")
    assert page.subtitle == "Cohort clinic, preset paper, 3 of 3 trials"
    assert [text.split(":")[0] for text in page.answers] == [
        "Bone",
        "Soft tissue",
        "Air",
        NO_TEST,
        page.answers[4],
    ]
    assert all("conservative 9 is best on validation" in text for text in page.answers[:3])
    assert page.answers[3].startswith(f"{NO_TEST}: with 3 patients and one pretrained network")
    assert page.answers[4] == (
        "The primary class is bone; soft tissue and air are secondary. Holm's correction counts the 2 "
        "comparisons of a class with its best arm, and nothing across classes."
    )


def test_an_unfinished_sweep_is_told_as_it_stands_and_said_so_first(ledger: Ledger) -> None:
    page = compose(add_sweep(ledger, ARMS, unfinished=1, failed={"conservative 9": "out of memory"}))
    assert page.warnings[0].startswith("The sweep is not finished: 2 of 3 trials")
    assert page.warnings[1] == "Trials that failed, named under Failures: 1."
    assert page.failures == {"conservative 9": "out of memory"}
    assert list(page.summary.frame["arm"]) == ["no_fine_tuning", "open"]


def test_one_arm_only_has_nothing_to_be_compared_with(ledger: Ledger) -> None:
    page = compose(add_sweep(ledger, [factors("open", fold=fold) for fold in (1, 2)]))
    assert all("There is no other arm to compare it with." in text for text in page.answers)
    assert "comparisons" not in {sheet.name for group in page.sections.values() for sheet in group}
    render_page(page)


def test_simulated_heads_are_announced(ledger: Ledger) -> None:
    page = compose(add_sweep(ledger, ARMS, tags={"simulated": "True"}))
    assert page.warnings[0].startswith("The heads are simulated")
    assert "means nothing" in page.warnings[0]


def test_every_number_of_the_summary_is_a_mean_of_results_csv(ledger: Ledger) -> None:
    record = add_sweep(
        ledger, [*ARMS, *(factors(arm["strategy"], arm["tuned_layers"], fold=2) for arm in ARMS)]
    )
    results = results_frame(record.records)
    test = results[(results["split"] == "test") & (results["weights"] == "best")]
    cells = compose(record).summary.cells
    assert len(cells) == len(ARMS)
    for row in cells.to_dict("records"):
        strategy = row["arm"].split()[0]
        own = test[test["strategy"] == strategy]
        for name in ("bone", "soft_tissue", "air", "internal_air"):
            assert row[name] == f"{own[own['class'] == name]['dsc'].mean():.4f}"
        assert row["seconds"] == f"{own['standalone_seconds'].mean():.1f}"
        assert row["folds"] == "2"


def test_an_arm_that_was_tested_on_both_sequences_says_beside_its_name_on_which(ledger: Ledger) -> None:
    record = add_sweep(ledger, ARMS)
    assert list(compose(record).summary.frame)[-1] == "tested_on"
    run = ledger.client.get_run(record.records[0].run_id)
    file = Path(local_file_uri_to_path(run.info.artifact_uri)) / "scores.json"
    scores = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps([*scores, *({**one, "sequence": "T1"} for one in scores)]), encoding="utf-8")
    frame = compose(read_plan(ledger, record.space)).summary.frame
    assert list(frame)[:2] == ["arm", "tested_on"]
    assert frame["tested_on"].tolist() == ["T2w", "T1w", "T2w", "T2w"]


def test_a_class_that_is_nowhere_is_undefined_never_0_or_1(ledger: Ledger) -> None:
    page = compose(add_sweep(ledger, ARMS, absent="bone"))
    assert set(page.summary.cells["bone"]) == {"undefined"}
    assert "its test DSC is undefined" in page.answers[0] or "no answer" in page.answers[0]
    tables = {sheet.name: sheet for group in page.sections.values() for sheet in group}
    bone = tables["table_4"].cells[[f"bone_{metric}" for metric in ("precision", "recall", "dsc", "jsc")]]
    assert set(bone.to_numpy().ravel()) == {"undefined"}


def test_text_from_outside_is_text(ledger: Ledger) -> None:
    evil = "<script>alert(1)</script>"
    record = add_sweep(
        ledger, ARMS, unfinished=1, failed={evil: evil}, tags={"cohort": evil, "machine": evil}
    )
    html = render_page(compose(record))
    assert "<script" not in html
    assert html.count("&lt;script&gt;") >= 4


def test_provenance_tells_where_the_numbers_come_from(ledger: Ledger) -> None:
    tags = {"command": "python -m ablation.run", "git_commit": "abc", "cohort_fingerprint": "print"}
    page = compose(add_sweep(ledger, ARMS, tags={**tags, "overlap.fold_1.t2_test_in_t1_training": "0"}))
    assert page.provenance["Command"] == "python -m ablation.run"
    assert page.provenance["Fingerprint of the cohort"] == "print"
    assert page.provenance["Encoder digests"] == "digest"
    assert "another kind of processor" in page.provenance["Machines of the trials"]
    assert "t2_test_in_t1_training" in page.provenance["Patients in both sequences"]
    assert "strategy: open" in page.space


def test_the_note_of_many_trials_keeps_answer_and_table_within_mlflows_limit(ledger: Ledger) -> None:
    layers = ("fc", "3", "6", "9", "12", "15", "18")
    plan = add_sweep(ledger, [factors("conservative", one) for one in layers])
    links = "\n".join(f"- [trial {n}](#/experiments/1/runs/{n:032})" for n in range(198))
    ledger.client.set_tag(plan.parent.info.run_id, NOTE, links)
    plan = read_plan(ledger, "sweep")
    ledger.client.set_tag(plan.parent.info.run_id, NOTE, note_of(plan, compose(plan), "index.html"))
    kept = read_plan(ledger, "sweep").tags[NOTE]
    assert all(f"| conservative {one} |" in kept for one in layers)
    assert "[The whole report](#/experiments/" in kept


@pytest.mark.parametrize("rows", [20, 21])
def test_long_tables_scroll_in_their_own_window(ledger: Ledger, rows: int) -> None:
    page = compose(add_sweep(ledger, ARMS[:1]))
    table = pd.DataFrame({"arm": [f"arm {n}" for n in range(rows)], "bone": 0.5})
    (sheet, *_) = next(iter(page.sections.values()))
    longer = type(sheet)(name="long", title="Long", frame=table)
    assert longer.is_long == (rows > 20)
