"""The description of a plan's run in MLflow: the answer and the first table, for those who start there."""

from ablation.names import NOTE
from ablation.record.plan_record import PlanRecord
from ablation.record.runs_view import view_address
from ablation.report.page.html import Page
from ablation.report.page.markup import to_markdown

TRIALS = "### Trials\n\n"
"""Stands before what the run itself noted: counts and reused trials."""
MOST_ARMS = 24
"""Rows of the table: MLflow cuts a note at 8,000 characters."""


def note_of(record: PlanRecord, page: Page, page_file: str) -> str:
    """Markdown: what must be known, the answer, test Dice by arm, links, and what the run itself noted.

    Args:
        page_file: name of the page among the run's artifacts.
    """
    info = record.parent.info
    page_address = f"#/experiments/{info.experiment_id}/runs/{info.run_id}/artifacts/{page_file}"
    own = record.tags.get(NOTE, "").rpartition(TRIALS)[2]
    return "\n\n".join(
        [
            *(f"**{sentence}**" for sentence in page.warnings),
            *(f"- {paragraph}" for paragraph in page.answers),
            _table(page, record.sequences.target),
            f"[The whole report]({page_address}); "
            f"[all trials with factors and scores]({view_address(info.experiment_id)}).",
            f"{TRIALS}{own}",
        ]
    )


def _table(page: Page, target: str) -> str:
    """The summary's rows of the largest training sets, on the target."""
    rows = page.summary.frame
    rows = rows[rows["tested_on"] == target]
    sizes = rows["t2_train_size"]
    rows = rows[sizes.isna() | (sizes == sizes.max())]
    columns = list(rows.columns)
    scores = columns[columns.index("arm") + 1 : columns.index("seconds")]
    shown = ["arm", *scores, "seconds", "learning_rate", "folds"]
    left_out = len(rows) - MOST_ARMS
    more = f"\n{left_out} more arms are in the report." if left_out > 0 else ""
    return f"{page.summary.title}\n\n{to_markdown(rows[shown].head(MOST_ARMS))}{more}"
