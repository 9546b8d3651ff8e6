"""What a report is made of, read from the record once."""

from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from ablation.record.further_scores import attenuation_frame, calibration_frame
from ablation.record.plan_record import PlanRecord
from ablation.record.results import patients_frame, results_frame
from ablation.record.selection import in_box


@dataclass(frozen=True)
class Frames:
    """The recorded trials of a plan as tables.

    Args:
        record: of the plan.
    """

    record: PlanRecord

    @cached_property
    def everywhere(self) -> pd.DataFrame:
        """`results.csv` with the names of the arms: scores of the box and of the whole scan."""
        return results_frame(self.record.compared, self.record.design, self.record.objectives)

    @cached_property
    def results(self) -> pd.DataFrame:
        """Scores of the box, of which all comparisons are made."""
        return in_box(self.everywhere)

    @cached_property
    def patients(self) -> pd.DataFrame:
        """The same a patient, as `patients.csv`."""
        return in_box(patients_frame(self.record.compared, self.record.design))

    @cached_property
    def calibration(self) -> pd.DataFrame:
        """How far test probabilities can be believed."""
        return calibration_frame(self.record.compared)

    @cached_property
    def attenuation(self) -> pd.DataFrame:
        """Attenuation at 511 keV of the test patients."""
        return attenuation_frame(self.record.compared)
