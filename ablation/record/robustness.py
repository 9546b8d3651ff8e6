"""Scores of recorded networks on changed test scans, as the plan's parent run keeps them."""

import io
import logging
from collections.abc import Mapping

import pandas as pd

from ablation.names import ROBUSTNESS_FILE
from ablation.space.factors import PRETRAINING_SEED

AS_IT_IS = "as_it_is"
"""Kind of the rows of level 0, of which one serves all kinds."""
COUNTS = ["tp", "fp", "fn"]
KEYS = ["mlflow_run_id", "patient"]
ROBUSTNESS_COLUMNS = [
    *("arm", "kind", "level", "value", "unit", "fold", "seed", PRETRAINING_SEED, "patient", "class"),
    *("dsc", *COUNTS, "mlflow_run_id"),
]
"""Columns of `robustness.csv`. The counts are empty where a change does not apply to a scan."""
TYPES = {
    **dict.fromkeys(("arm", "kind", "unit", "patient", "class", "mlflow_run_id"), "str"),
    **dict.fromkeys(("level", "fold", "seed", PRETRAINING_SEED, *COUNTS), "Int64"),
    **dict.fromkeys(("value", "dsc"), "float64"),
}

log = logging.getLogger(__name__)


def robustness_frame(rows: list[dict[str, object]]) -> pd.DataFrame:
    """Return `robustness.csv` of these rows."""
    return pd.DataFrame(rows, columns=ROBUSTNESS_COLUMNS, dtype=object).astype(TYPES)


def read_robustness(files: Mapping[str, bytes]) -> pd.DataFrame:
    """Return what a plan has been tested on; empty where it has not, or where the file cannot be read.

    Args:
        files: of the plan's parent run, by name.
    """
    content = files.get(ROBUSTNESS_FILE)
    if not content:
        return robustness_frame([])
    try:
        frame = pd.read_csv(io.BytesIO(content), dtype=TYPES)
        return frame[ROBUSTNESS_COLUMNS].dropna(subset=KEYS).fillna({"unit": ""})
    except (ValueError, KeyError) as error:
        log.warning("%s of the record is damaged and left out: %s", ROBUSTNESS_FILE, error)
        return robustness_frame([])


def finished_tests(
    frame: pd.DataFrame, scale: Mapping[str, tuple[str, tuple[float, ...]]]
) -> set[tuple[str, str]]:
    """Return run and patient of those that are there with all levels of a scale.

    Args:
        frame: as `robustness.csv`.
        scale: unit and values of each kind of change.
    """
    wanted: set[tuple[str, int, float | None]] = {(AS_IT_IS, 0, None)}
    wanted |= {(kind, n, v) for kind, (_, values) in scale.items() for n, v in enumerate(values, start=1)}
    done = set()
    for key, rows in frame.groupby(KEYS):
        there = zip(rows["kind"], rows["level"], rows["value"], strict=True)
        if wanted <= {(kind, level, None if pd.isna(value) else value) for kind, level, value in there}:
            done.add((str(key[0]), str(key[1])))
    return done
