"""What the page says, from what is recorded."""

import json
from collections.abc import Mapping

import pandas as pd

from ablation.names import COHORT_FINGERPRINT, ENCODER_DIGEST, GIT_COMMIT, REGISTRATION_FILE, SPACE_FILE
from ablation.record.plan_record import PlanRecord
from ablation.record.selection import scored_in
from ablation.report.figures.rendered import Rendered
from ablation.report.page.conclusions import conclusions
from ablation.report.page.html import Page, Picture, Sheet
from ablation.report.page.primary import counted, primary_answer
from ablation.report.page.warnings import machines_of, page_warnings
from ablation.report.statistics.contrasts import margin_of
from ablation.report.study.texts import ABOUT_AIR, OTHER_PROCESSORS
from ablation.report.tables.choice import as_chosen, by_fold, varied_settings
from ablation.report.tables.search import choice_sentences
from ablation.report.tables.summary import summarise
from t1t2core.settings.classes import INTERNAL_AIR

SHOWN_TAGS = {
    "command": "Command",
    "machine": "Machine",
    "version": "Version",
    "libraries": "Libraries",
    GIT_COMMIT: "Commit",
    "cohort": "Cohort",
    COHORT_FINGERPRINT: "Fingerprint of the cohort",
    "preset": "Preset",
    "overrides": "Settings over the preset",
    "warnings": "Warnings",
}
"""Tags of the parent run that the page shows, and what it calls them."""


def compose_page(
    record: PlanRecord,
    results: pd.DataFrame,
    patients: pd.DataFrame,
    pictures: list[Picture],
    tables: Mapping[str, list[Sheet]],
) -> Page:
    """The page of a plan, with what `pictures_of` and `sheets` gave."""
    tags = record.tags
    source, target = record.sequences.source, record.sequences.target
    finished = f"{record.finished} of {len(record.plan)} trials"
    return Page(
        title=f"{record.space}: {source} to {target} transfer for head segmentation",
        subtitle=", ".join(
            [f"Cohort {tags.get('cohort', 'unknown')}", f"preset {tags.get('preset', 'unknown')}", finished]
        ),
        warnings=page_warnings(record, results),
        answers=[
            *choice_sentences(record),
            *primary_answer(record, results, patients),
            *conclusions(results, patients, margin_of(record.design)),
            *counted(record, _frame(tables, "comparisons")),
        ],
        summary=_summary(record, results),
        pictures=pictures,
        sections=tables,
        failures=record.failed,
        provenance=_provenance(record),
        space=record.files.get(SPACE_FILE, b"").decode("utf-8", errors="replace"),
    )


def _frame(tables: Mapping[str, list[Sheet]], name: str) -> pd.DataFrame:
    """A table by its name; empty where it was left out."""
    found = (sheet.frame for group in tables.values() for sheet in group if sheet.name == name)
    return next(found, pd.DataFrame())


def pictures_of(record: PlanRecord, figures: Mapping[str, Rendered]) -> list[Picture]:
    """The figures for the page, and what the alignment of CT and MR looked like."""
    pictures = [
        Picture(
            name=name,
            title=figure.title,
            caption=figure.caption,
            alt=figure.alt,
            wide=figure.wide,
            narrow=figure.narrow,
        )
        for name, figure in figures.items()
    ]
    if content := record.files.get(REGISTRATION_FILE):
        classes = record.classes
        labels = "the aligned CT" if classes.from_ct else "the label maps"
        outlined = f"{classes.outlined.replace('_', ' ')} from {labels}"
        pictures.append(
            Picture(
                name="registration",
                title="Alignment of CT and MR",
                caption=f"MR slices with the outline of {outlined}, worst quality first.",
                alt=f"MR slices of several subjects with the outline of {outlined} drawn on them.",
                wide=content,
            )
        )
    return pictures


def _summary(record: PlanRecord, results: pd.DataFrame) -> Sheet:
    table, names = summarise(results), scored_in(results)
    # Scores first: on a phone the rest is to the right of the screen.
    factors = ["t2_train_size", "learning_rate", *varied_settings(table)]
    # Two rows of an arm are told apart at once.
    tested_on, last = (["sequence"], []) if table["sequence"].nunique() > 1 else ([], ["sequence"])
    shown = ["arm", *tested_on, *names, "seconds", *factors, "folds", *last]
    frame = table[shown].rename(columns={"sequence": "tested_on"})
    frame["tested_on"] = frame["tested_on"].map(record.sequences.suffix)
    return Sheet(
        name="summary",
        title=f"Every arm at its chosen {record.design.tuned_in_words}: test Dice",
        frame=frame,
        note=f"Each arm {as_chosen(results)}. Pooled over patients, means over folds and seeds. "
        f"{ABOUT_AIR if INTERNAL_AIR in names else ''}Seconds: of a trial computed alone.{by_fold(results)}",
    )


def _provenance(record: PlanRecord) -> dict[str, str]:
    shown = {label: record.tags[tag] for tag, label in SHOWN_TAGS.items() if record.tags.get(tag)}
    digests = dict.fromkeys(r.tags[ENCODER_DIGEST] for r in record.records if r.tags.get(ENCODER_DIGEST))
    commits = dict.fromkeys(r.tags.get(GIT_COMMIT, "unknown") for r in record.records)
    machines = [f"{name} ({number} trials)" for name, number in machines_of(record).items()]
    overlap = {
        tag.removeprefix("overlap."): value
        for tag, value in record.tags.items()
        if tag.startswith("overlap.")
    }
    others = OTHER_PROCESSORS if record.classes.is_study else ""
    return {
        **shown,
        "Encoder digests": ", ".join(digests) or "none used",
        "Machines of the trials": f"{'; '.join(machines) or 'none'}. {others}".strip(),
        "Commits of the trials": ", ".join(commits) or "none",
        "Patients in both sequences": json.dumps(overlap) if overlap else "unknown",
        "MLflow run": f"{record.parent.info.run_id} in experiment {record.parent.info.experiment_id}",
    }
