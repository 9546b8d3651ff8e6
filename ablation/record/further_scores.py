"""Recorded calibration and attenuation as tables: sums, a row each, that reports add up."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pandas as pd

from ablation.names import TRIAL_KEY
from ablation.record.trials import Record
from t1t2core.evaluation.attenuation import Attenuation
from t1t2core.evaluation.calibration import BINS

BY = ["trial_key", "sequence", "patient"]
CALIBRATION = [*BY, "class", "squares", "bin", "voxels", "probabilities", "true"]
ATTENUATION = [*BY, "region", *Attenuation.__dataclass_fields__]


def calibration_frame(records: Iterable[Record]) -> pd.DataFrame:
    """Return how far test probabilities can be believed: a row a trial, patient, class and bin.

    `squares` is the class's, the same in each of its bins. Empty where none was recorded.
    """
    rows = [row for record in records for row in _calibration(record)]
    return pd.DataFrame(rows, columns=CALIBRATION)


def attenuation_frame(records: Iterable[Record]) -> pd.DataFrame:
    """Return attenuation at 511 keV of the test patients: a row a trial, patient and region of the head."""
    rows = [
        {**about, "region": region, **sums}
        for record in records
        for about, score in _scored(record, "attenuation")
        for region, sums in score.items()
    ]
    return pd.DataFrame(rows, columns=ATTENUATION)


def _calibration(record: Record) -> Iterator[dict[str, Any]]:
    for about, score in _scored(record, "calibration"):
        for name, found in score.items():
            columns = {key: found[key] for key in ("voxels", "probabilities", "true")}
            for place in range(BINS):
                sums = {key: values[place] for key, values in columns.items()}
                yield {**about, "class": name, "squares": found["squares"], "bin": place, **sums}


def _scored(record: Record, what: str) -> Iterator[tuple[dict[str, Any], Mapping[str, Any]]]:
    """Scores of a trial that have something further, with what names them."""
    for score in record.scores:
        if found := score.get(what):
            names = {"sequence": score["sequence"], "patient": score["patient"]}
            yield {"trial_key": record.tags[TRIAL_KEY], **names}, found
