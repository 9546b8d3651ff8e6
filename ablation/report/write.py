"""Writes what a run leaves in its space's folder, from the record alone."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ablation.ledger import Record
from ablation.report.results import patients_frame, results_frame
from ablation.report.summary import augmentation, learning_rates, summarise
from ablation.tables import write_table


def write_results(records: Sequence[Record], folder: Path) -> pd.DataFrame:
    """Writes `results.csv`, `patients.csv` and the tables under `report/tables`; gives the first."""
    results = results_frame(records)
    write_table(results, folder / "results.csv")
    write_table(patients_frame(records), folder / "patients.csv")
    tables = {
        "summary": summarise(results),
        "learning_rates": learning_rates(results),
        "augmentation": augmentation(results),
    }
    for name, table in tables.items():
        if not table.empty:
            write_table(table, folder / "report" / "tables" / f"{name}.csv")
    return results
