"""The report, written from the record alone, wherever that lies."""

import multiprocessing
import os
import shutil
import signal
from pathlib import Path

import pandas as pd
import pytest

from ablation.names import NOTE
from ablation.record.ledger import Ledger
from ablation.record.plan_record import read_plan
from ablation.report.figures.rendered import Drawing, Rendered, render
from ablation.report.write import PAGE, write_report
from tests.builders.recorded_sweeps import add_sweep, factors

ARMS = [factors("no_fine_tuning"), factors("open"), factors("conservative", "9")]


@pytest.fixture(scope="module")
def ledger_of_sweep(blank_record: Path, tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    folder = tmp_path_factory.mktemp("runs")
    shutil.copy(blank_record, folder / "mlflow.db")
    ledger = Ledger(f"sqlite:///{folder / 'mlflow.db'}", folder / "artifacts")
    add_sweep(ledger, ARMS)
    return ledger


@pytest.fixture(scope="module")
def first(ledger_of_sweep: Ledger, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The space's folder, written once."""
    folder = tmp_path_factory.mktemp("first")
    write_report(ledger_of_sweep, read_plan(ledger_of_sweep, "sweep"), folder)
    return folder


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_tables_in_three_forms_figures_in_two_and_a_page(first: Path) -> None:
    found = files_of(first)
    assert {"results.csv", "patients.csv", "plan.csv", f"report/{PAGE}"} <= found.keys()
    for name in ("summary", "table_3", "table_4", "comparisons", "learning_rates"):
        assert {f"report/tables/{name}{form}" for form in (".csv", ".md", ".tex")} <= found.keys()
    for name in ("score_against_time", "compute_time", "learning_curves"):
        assert {f"report/figures/{name}{form}" for form in (".png", ".svg")} <= found.keys()
    assert "report/checklist.md" in found
    assert "report/tables/checklist.csv" in found
    assert "report/checklist.md" in found
    assert "report/tables/checklist.csv" in found
    assert len(pd.read_csv(first / "results.csv")) == 3 * 2 * 4
    assert len(found[f"report/{PAGE}"]) < 10e6


def test_mlflows_parent_run_keeps_the_page_and_opens_with_the_answer(
    ledger_of_sweep: Ledger, first: Path
) -> None:
    run = read_plan(ledger_of_sweep, "sweep").parent
    assert ledger_of_sweep.read_file(run.info.run_id, PAGE) == (first / "report" / PAGE).read_bytes()
    note = run.data.tags[NOTE]
    assert note.startswith("- Bone: by count, not by test, 1 of 3 arms may be the best: conservative 9.")
    assert "| conservative 9 |" in note
    assert f"/runs/{run.info.run_id}/artifacts/{PAGE}" in note
    assert note.endswith("3 trials")


def test_from_another_machine_the_same_files_and_the_same_note_come_out(
    ledger_of_sweep: Ledger, first: Path, tmp_path: Path
) -> None:
    elsewhere = Ledger(ledger_of_sweep.tracking_uri, tmp_path / "nothing here")
    before = read_plan(elsewhere, "sweep")
    write_report(elsewhere, before, tmp_path / "second")
    assert files_of(tmp_path / "second") == files_of(first)
    assert read_plan(elsewhere, "sweep").tags[NOTE] == before.tags[NOTE]


def killed_beside(drawing: Drawing) -> Rendered | None:
    """`render` that the system kills in a second process."""
    if multiprocessing.parent_process():
        os.kill(os.getpid(), signal.SIGKILL)
    return render(drawing)


def test_a_machine_with_little_memory_draws_one_after_the_other(
    ledger_of_sweep: Ledger, first: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ablation.report.figures.rendered.render", killed_beside)
    write_report(ledger_of_sweep, read_plan(ledger_of_sweep, "sweep"), tmp_path)
    assert files_of(tmp_path) == files_of(first)


def test_nothing_is_recorded_yet(ledger: Ledger, tmp_path: Path) -> None:
    plan = add_sweep(ledger, ARMS, unfinished=3)
    assert write_report(ledger, plan, tmp_path / "sweep").empty
    assert not (tmp_path / "sweep" / "report").exists()
