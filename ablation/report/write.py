"""Writes what a run leaves in its space's folder, from the record alone."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ablation.ledger import Record
from ablation.report.layouts import TITLES, study_tables
from ablation.report.markup import to_csv, to_latex, to_markdown
from ablation.report.results import patients_frame, results_frame
from ablation.report.summary import learning_rates, summarise
from ablation.tables import write_table
from t1t2core.files import write_atomically

CAPTIONS = {
    "summary": "Every arm and training size at its chosen learning rate: mean test Dice, and time",
    "learning_rates": "How each learning rate was chosen: mean validation Dice on T2",
    **TITLES,
}


def write_results(records: Sequence[Record], folder: Path) -> pd.DataFrame:
    """Writes `results.csv`, `patients.csv` and the tables under `report/tables`; gives the first.

    Each table is there as CSV (unrounded), Markdown and LaTeX; one without rows is left out.
    """
    results = results_frame(records)
    write_table(results, folder / "results.csv")
    write_table(patients_frame(records), folder / "patients.csv")
    tables = {"summary": summarise(results), "learning_rates": learning_rates(results)}
    for name, table in (tables | study_tables(results)).items():
        if not table.empty:
            _write_forms(table, folder / "report" / "tables" / name)
    return results


def _write_forms(table: pd.DataFrame, path: Path) -> None:
    """A table in its three forms; `path` is without suffix."""
    forms = {
        ".csv": to_csv(table),
        ".md": to_markdown(table),
        ".tex": to_latex(table, CAPTIONS[path.name]),
    }
    for suffix, text in forms.items():
        write_atomically(path.with_suffix(suffix), text.encode("utf-8"))
