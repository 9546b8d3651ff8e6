"""What a reporting checklist is filled from."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from ablation.names import SUBJECTS_FILE
from ablation.record.plan_record import PlanRecord
from ablation.record.settings import read_settings
from ablation.report.statistics.network_scores import NetworkScores, network_scores
from ablation.report.tables.subgroups import read_known
from t1t2core.cohort.subject import Sequences
from t1t2core.errors import InputError
from t1t2core.settings import Settings

MOST_NAMES = 5
"""Patients that a line names."""


@dataclass(frozen=True)
class Facts:
    """The record of a plan, and what follows from it.

    Args:
        results, patients: as in `results.csv` and `patients.csv`.
        warnings: of the page.
    """

    record: PlanRecord
    results: pd.DataFrame
    patients: pd.DataFrame
    warnings: Sequence[str] = ()

    @cached_property
    def settings(self) -> Settings | None:
        """Those of the first trial; None where the record has none."""
        try:
            return read_settings(None, self.record.records[0].params, source=self.record.space)
        except InputError:  # recorded without them, or by another version
            return None

    @cached_property
    def sequences(self) -> Sequences:
        """What the two sequences are called."""
        return self.record.sequences

    @cached_property
    def subjects(self) -> pd.DataFrame:
        """`subjects.csv` as text; empty where it is not recorded."""
        content = self.record.files.get(SUBJECTS_FILE)
        return pd.DataFrame() if content is None else pd.read_csv(io.BytesIO(content), dtype=str)

    @cached_property
    def known(self) -> pd.DataFrame:
        """What else is known of the patients (see `read_known`)."""
        return read_known(self.record.files)

    @cached_property
    def scores(self) -> NetworkScores:
        """Test scores, paired over patients and pretrained networks."""
        return network_scores(self.results, self.patients)

    @property
    def took_part(self) -> pd.DataFrame:
        """Rows of `subjects` of those who were not left out."""
        return self.subjects.dropna(subset=["sequences"]) if "sequences" in self.subjects else pd.DataFrame()

    @property
    def folds(self) -> list[int]:
        """Numbers of the folds that trials were run in."""
        return sorted(int(fold) for fold in self.results["fold"].unique())


def named(names: Sequence[str]) -> str:
    """Return a few names, and the number of the others."""
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
