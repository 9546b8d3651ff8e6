"""The checklist as a table and as a document for the authors to complete."""

import pandas as pd

from ablation.report.checklist.facts import Facts
from ablation.report.checklist.flow import patient_flow
from ablation.report.checklist.items import ITEMS
from ablation.report.page.html import Sheet
from ablation.report.page.markup import to_markdown

CHECKLIST = ["group", "item", "guidelines", "from_the_record", "by_the_authors"]
TO_FILL = "**To be filled by the authors**"
GUIDELINES = (
    "CLAIM: Checklist for Artificial Intelligence in Medical Imaging, update of 2024 "
    "(doi 10.1148/ryai.240300). TRIPOD+AI: Collins et al., BMJ 385:e078378, 2024. Metrics Reloaded: "
    "Maier-Hein et al., Nature Methods 21:195, 2024 (FP: item of the problem fingerprint, S: subprocess). "
    "Items are named in our words, and their numbers were not proved against every edition: before you "
    "submit, go through the guidelines' own lists."
)


def checklist(facts: Facts) -> pd.DataFrame:
    """Return `CHECKLIST`: a row an item, with its answer from the record and what the authors must say.

    `from_the_record` is empty where the record does not tell, `by_the_authors` where nothing is left to say.
    """
    rows = []
    for item in ITEMS:
        answer = item.answer(facts) if item.answer is not None else ""
        # What the record should tell and does not is asked of the authors.
        left = item.authors or ("" if answer else item.what)
        rows.append((item.group, item.what, item.guidelines, answer, left))
    return pd.DataFrame(rows, columns=CHECKLIST)


def checklist_sheets(facts: Facts) -> list[Sheet]:
    """Return the checklist and the flow of the patients for the page; none of them is empty."""
    table = checklist(facts).assign(
        by_the_authors=lambda frame: frame["by_the_authors"].map(
            lambda text: text and f"To be filled: {text}"
        )
    )
    sheets = [
        Sheet(
            name="patient_flow",
            title="Flow of the patients",
            frame=patient_flow(facts),
            note="From the scans that were read to the patients that were scored; who was left out, and why.",
        ),
        Sheet(
            name="checklist",
            title="Reporting checklist",
            frame=table,
            note=f"{GUIDELINES} As a document to complete: checklist.md beside this page.",
        ),
    ]
    return [sheet for sheet in sheets if not sheet.frame.empty]


def checklist_document(facts: Facts) -> str:
    """Return the checklist in Markdown, with the flow of the patients."""
    table, flow = checklist(facts), patient_flow(facts)
    left = int((table["by_the_authors"] != "").sum())
    lines = [
        f"# Reporting checklist: {facts.record.space}",
        "",
        f"{len(table)} items; the authors have to complete {left} of them, marked with an empty box.",
        "",
        GUIDELINES,
        "",
    ]
    for group, rows in table.groupby("group", sort=False):
        lines += [f"## {group}", ""]
        for row in rows.to_dict("records"):
            lines.append(
                f"- [{' ' if row['by_the_authors'] else 'x'}] **{row['item']}** ({row['guidelines']})"
            )
            lines += [f"  - {row['from_the_record']}"] if row["from_the_record"] else []
            lines += [f"  - {TO_FILL}: {row['by_the_authors']}"] if row["by_the_authors"] else []
        lines.append("")
    lines += ["## Flow of the patients", ""]
    lines.append(f"{TO_FILL}: no table of subjects is recorded\n" if flow.empty else to_markdown(flow))
    return "\n".join(lines)
