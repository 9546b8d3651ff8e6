"""The table of a cohort that was looked at: a row a subject, whether it can be used or not."""

import pandas as pd

from ablation.plan.tables import BETWEEN_WARNINGS, subject_warnings, subjects_frame
from t1t2core.preparation.survey import Survey

USABLE, FINDINGS = "usable", "findings"
"""Columns that `subjects.csv` of a run has not."""


def survey_frame(survey: Survey) -> pd.DataFrame:
    """Return the columns of `subjects.csv`, after who can be used and what is wrong with the others."""
    warnings = subject_warnings(survey.looked_at, survey.prepared)
    frame = subjects_frame(survey.looked_at, survey.splits, survey.prepared, warnings)
    absent = [name for name in survey.findings if name not in set(frame.get("subject", []))]
    frame = pd.concat([frame, pd.DataFrame({"subject": absent})], ignore_index=True)
    usable = {subject.name for subject in survey.cohort.subjects}
    frame.insert(1, USABLE, ["yes" if name in usable else "no" for name in frame["subject"]])
    told = [BETWEEN_WARNINGS.join(survey.findings.get(name, ())) for name in frame["subject"]]
    frame.insert(2, FINDINGS, told)
    return frame.sort_values("subject", ignore_index=True)
