"""What a run leaves beside its results."""

from pathlib import Path

import pandas as pd

from ablation.ledger import Record
from ablation.report.write import write_results

COUNTS = {name: {"tp": 6, "fp": 2, "fn": 4} for name in ("bone", "soft_tissue", "air", "internal_air")}


def record(strategy: str, **params: str) -> Record:
    tags = {
        "trial_key": strategy,
        "stop_reason": "max_steps",
        "encoder_digest": "e",
        "cohort_fingerprint": "c",
    }
    names = ("epochs", "seconds_per_epoch", "total_seconds", "standalone_seconds")
    scores = [
        {
            "weights": "best",
            "split": split,
            "sequence": "T2",
            "patient": "sub-01",
            "counts": COUNTS,
            "surface": None,
        }
        for split in ("validation", "test")
    ]
    return Record(
        run_id="run",
        experiment_id="1",
        name="trial",
        tags=tags,
        params={"strategy": strategy, "fold": "1", **params},
        metrics={f"time/{name}": 2.0 for name in names},
        scores=scores,
    )


def test_every_table_is_there_in_three_forms(tmp_path: Path) -> None:
    tuned = {"t2_train_size": "8", "learning_rate": "0.001", "seed": "0"}
    results = write_results([record("no_fine_tuning"), record("open", **tuned)], tmp_path)
    assert len(pd.read_csv(tmp_path / "results.csv")) == len(results) == 2 * 2 * 4
    assert (tmp_path / "patients.csv").is_file()
    found = {path.name for path in (tmp_path / "report" / "tables").iterdir()}
    tables = {
        "summary",
        "learning_rates",
        "table_3",
        "table_6",
        "table_7",
        "table_8",
        "internal_air",
        "compute_time",
    }
    assert found == {f"{name}{suffix}" for name in tables for suffix in (".csv", ".md", ".tex")}
    text = (tmp_path / "report/tables/table_3.md").read_text(encoding="utf-8")
    assert "| open | 8 | 0.001 | 1 | 0.7500 | 0.6000 | 0.6667 | 0.5000 |" in text
