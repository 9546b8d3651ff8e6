"""Writes what a run leaves in its space's folder, from the record alone."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from ablation.names import PLAN_FILE, ROBUSTNESS, ROBUSTNESS_FILE, SUBJECTS_FILE, TRIAL_KEY
from ablation.plan.tables import write_table
from ablation.record.ledger import Ledger
from ablation.record.plan_record import PlanRecord
from ablation.record.results import NAMED, patients_frame, results_frame
from ablation.record.robustness import read_robustness
from ablation.record.trials import Record
from ablation.report.checklist.checklist import checklist_document, checklist_sheets
from ablation.report.checklist.facts import Facts
from ablation.report.figures.all import drawings, drawn_trials, pictured_trials
from ablation.report.figures.curves import metrics_of
from ablation.report.figures.rendered import Drawing, Rendered, Rendering
from ablation.report.page.compose import compose_page, pictures_of
from ablation.report.page.html import Sheet, render_page
from ablation.report.page.markup import to_csv, to_latex, to_markdown
from ablation.report.page.mlflow_note import note_of
from ablation.report.page.sheets import sheets
from ablation.report.page.warnings import page_warnings
from ablation.report.tables.frames import Frames
from ablation.report.tables.summary import summarise
from ablation.store.processes import helpers
from t1t2core.evaluation.slices import SLICES, PatientSlices, unpack_slices
from t1t2core.files import write_atomically

PAGE, CHECKLIST_FILE = "index.html", "checklist.md"


def write_report(ledger: Ledger, record: PlanRecord, folder: Path) -> pd.DataFrame:
    """Write tables, figures and the page, keep page and conclusions in the record, and return the results.

    The trials of a candidate of a search that is not whole are in `results.csv` and `patients.csv` only.

    Args:
        folder: of the space: `results.csv` and `patients.csv` go there, the rest under `report/`.
    """
    design = record.design
    frames = Frames(record)
    results, patients = frames.results, frames.patients
    _write_copies(record, folder)
    if not record.records:
        return results
    report = folder / "report"
    with helpers(1) as helper:
        # Drawing takes longer than all else.
        rendering = Rendering(_drawings(ledger, record, frames), helper)
        groups = _sheets(record, frames, report)
        summary = Sheet(
            name="summary",
            title=f"Every arm at its chosen {design.tuned_in_words}",
            frame=summarise(results),
        )
        for sheet in [summary, *(sheet for group in groups.values() for sheet in group)]:
            _write_forms(sheet, report / "tables")
        figures = rendering.finish()
        helper.shutdown(wait=False)  # its end takes a while
        _write_figures(figures, report / "figures")
        page = compose_page(record, results, patients, pictures_of(record, figures), groups)
        write_atomically(report / PAGE, render_page(page).encode("utf-8"))
    parent = record.parent.info.run_id
    ledger.keep_files(parent, {PAGE: (report / PAGE).read_bytes()})
    ledger.describe(parent, note_of(record, page, PAGE))
    return results


def _write_copies(record: PlanRecord, folder: Path) -> None:
    """Write what the record has as it has it."""
    design, every = record.design, [*record.compared, *record.partial]
    write_table(results_frame(every, design).drop(columns=NAMED), folder / "results.csv")
    write_table(patients_frame(every, design).drop(columns=NAMED), folder / "patients.csv")
    for name in (PLAN_FILE, SUBJECTS_FILE):
        if name in record.files and not (folder / name).exists():
            write_atomically(folder / name, record.files[name])
    if ROBUSTNESS_FILE in record.files:
        write_atomically(folder / ROBUSTNESS_FILE, record.files[ROBUSTNESS_FILE])


def _drawings(ledger: Ledger, record: PlanRecord, frames: Frames) -> dict[str, Drawing]:
    """Return the figures, still to be drawn."""
    results = frames.results
    shown = {run.tags[TRIAL_KEY]: run for run in record.records}
    # External arms have neither curves nor slices.
    drawn = {key: shown[key] for key in drawn_trials(results) if key in shown}
    curves = ledger.histories({key: run.run_id for key, run in drawn.items()}, list(metrics_of(results)))
    slices = _read_slices(ledger, {key: shown[key] for key in pictured_trials(results) if key in shown})
    changed, tested = read_robustness(record.files), record.tags.get(ROBUSTNESS, "").split()
    design, calibration = record.design, frames.calibration
    return drawings(
        results,
        frames.patients,
        calibration,
        curves,
        slices,
        design,
        changed,
        tested,
        classes=record.classes,
        sequences=record.sequences,
    )


def _write_figures(figures: Mapping[str, Rendered], folder: Path) -> None:
    for name, figure in figures.items():
        write_atomically(folder / f"{name}.png", figure.wide)
        write_atomically(folder / f"{name}.svg", figure.svg)


def _sheets(record: PlanRecord, frames: Frames, report: Path) -> dict[str, list[Sheet]]:
    """Return all tables by heading; writes the checklist as a document too."""
    results, patients = frames.results, frames.patients
    facts = Facts(record, results, patients, page_warnings(record, results))
    write_atomically(report / CHECKLIST_FILE, checklist_document(facts).encode("utf-8"))
    return {**sheets(record, frames), "Reporting checklist": checklist_sheets(facts)}


def _read_slices(ledger: Ledger, runs: Mapping[str, Record]) -> dict[str, PatientSlices]:
    """Read slices by trial key; none for a trial that was recorded without them."""
    files = {key: ledger.read_file(run.run_id, SLICES) for key, run in runs.items()}
    return {key: {} if content is None else unpack_slices(content) for key, content in files.items()}


def _write_forms(sheet: Sheet, folder: Path) -> None:
    """A table as CSV (unrounded), Markdown and LaTeX."""
    forms = {
        ".csv": to_csv(sheet.frame),
        ".md": to_markdown(sheet.frame),
        ".tex": to_latex(sheet.frame, sheet.title),
    }
    for suffix, text in forms.items():
        write_atomically(folder / f"{sheet.name}{suffix}", text.encode("utf-8"))
