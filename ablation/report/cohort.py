"""Writes what was found in a cohort: a table, and a page with a picture of each subject."""

from pathlib import Path

import pandas as pd

from ablation.names import SUBJECTS_FILE
from ablation.plan.survey_table import survey_frame
from ablation.plan.tables import subject_warnings, warning_lines, write_table
from ablation.report.page.cohort import CohortPage, Panel, render_cohort_page
from ablation.report.page.html import Picture, Sheet
from t1t2core.cohort.roles import FoldSplit
from t1t2core.cohort.subject import Cohort
from t1t2core.evaluation.outline_pictures import PLANES, draw_outlines, outline_colours
from t1t2core.files import write_atomically
from t1t2core.preparation.survey import Survey
from t1t2core.settings import SOURCE, TARGET

PAGE = "index.html"


def write_cohort_check(survey: Survey, source: str, folder: Path) -> tuple[pd.DataFrame, Path]:
    """Write table and page into a folder; return the table, and the page's place.

    Args:
        source: as `--cohort` names it.
    """
    table = survey_frame(survey)
    write_table(table, folder / SUBJECTS_FILE)
    cohort = survey.cohort
    number = len(cohort.subjects)
    page = CohortPage(
        title=f"{cohort.name}: can it be used?",
        subtitle=f"{source}: {number} of {number + len(survey.findings)} subjects can be used",
        problems=survey.problems,
        exclude_line=survey.exclude_line,
        findings=survey.findings,
        warnings=warning_lines(subject_warnings(survey.looked_at, survey.prepared)),
        left_out=cohort.left_out,
        splits=_splits_sheet(survey.splits, cohort),
        subjects=Sheet(name="subjects", title="Subjects", frame=_readable(table)),
        colours=outline_colours(cohort.classes),
        panels=[_panel(survey, name) for name in sorted(survey.prepared)],
    )
    write_atomically(folder / PAGE, render_cohort_page(page).encode("utf-8"))
    return table, folder / PAGE


def _readable(table: pd.DataFrame) -> pd.DataFrame:
    """The table without the matrices of the alignments."""
    return table[[name for name in table.columns if not name.endswith("_to_ct")]]


def _splits_sheet(splits: tuple[FoldSplit, ...], cohort: Cohort) -> Sheet:
    """How many subjects train, validate and test in each fold."""
    rows = [
        {
            "fold": split.fold,
            "sequence": cohort.sequences.suffix(sequence),
            "training": len(roles.training),
            "validation": len(roles.validation),
            "test": len(roles.test),
        }
        for split in splits
        for sequence, roles in ((SOURCE, split.t1), (TARGET, split.t2))
    ]
    return Sheet(name="splits", title="Subjects in each role", frame=pd.DataFrame(rows))


def _panel(survey: Survey, name: str) -> Panel:
    subject = survey.prepared[name]
    sequences = survey.cohort.sequences
    names = [sequences.suffix(sequence) for sequence in (SOURCE, TARGET) if sequence in subject.alignment]
    planes = ", ".join(PLANES)
    return Panel(
        picture=Picture(
            name=name,
            title=name,
            caption=f"{', then '.join(names)}: {planes}, through the middle of the head.",
            alt=f"Slices of {name} with its labels in outline: {' and '.join(names)}, each {planes}.",
            wide=draw_outlines(subject),
        ),
        findings=list(survey.findings.get(name, ())),
        warnings=list(subject.warnings),
    )
