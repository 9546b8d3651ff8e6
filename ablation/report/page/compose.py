"""What the page says, from what is recorded."""

import json
from collections.abc import Mapping

import pandas as pd

from ablation.names import COHORT_FINGERPRINT, ENCODER_DIGEST, GIT_COMMIT, REGISTRATION_FILE, SPACE_FILE
from ablation.record.plan_record import PlanRecord
from ablation.report.figures.rendered import Rendered
from ablation.report.page.conclusions import conclusions
from ablation.report.page.html import Page, Picture, Sheet
from ablation.report.page.primary import exploratory, primary_answer
from ablation.report.statistics.comparisons import comparisons
from ablation.report.statistics.contrasts import ablation_table, main_effects, margin_of
from ablation.report.statistics.importance import importance
from ablation.report.statistics.intervals import intervals
from ablation.report.statistics.network_effects import network_effects
from ablation.report.study.claims import claims
from ablation.report.study.comparison import compare_with_paper
from ablation.report.study.layouts import OF_ANY_ARMS, TITLES, study_tables
from ablation.report.study.paper import identity_failures
from ablation.report.tables.search import choice_sentences, search_table
from ablation.report.tables.summary import SHOWN, learning_rates, summarise, varied_settings
from ablation.space.design import Design

STUDY = "Mecheter et al. 2024, doi 10.1049/cit2.12270"
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


def sheets(record: PlanRecord, results: pd.DataFrame, patients: pd.DataFrame) -> dict[str, list[Sheet]]:
    """Every table of the report by the heading that it stands under; empty tables are left out."""
    design = record.design
    # Arms that differ in settings are none of the study's.
    shown = study_tables(results)
    of_study = {name: table for name, table in shown.items() if not design.settings or name in OF_ANY_ARMS}
    groups = {
        "The search": _search(record),
        "What each change did": _changes(results, patients, design),
        "The study's tables" if not design.settings else "Further tables": [
            Sheet(name=name, title=TITLES[name], frame=table) for name, table in of_study.items()
        ],
        "Statistical comparisons": _comparisons(record, results, patients),
        "Choices on validation": _choices(results, design),
        "Comparison with the study": [] if design.settings else _study(results),
    }
    return {name: kept for name, group in groups.items() if (kept := [s for s in group if not s.frame.empty])}


def _search(record: PlanRecord) -> list[Sheet]:
    """The candidates of a search."""
    return [
        Sheet(
            name="search",
            title="The candidates of the search",
            frame=search_table(record),
            note="Means over folds and seeds on validation, spread: their standard deviation. A candidate "
            "that was pruned lacks folds: it stands in no other table, its mean is that of the folds it had.",
        )
    ]


def _changes(results: pd.DataFrame, patients: pd.DataFrame, design: Design) -> list[Sheet]:
    """Effects of the compared factors, where settings are among them."""
    paired = "Paired by patients and T1 networks; p after Holm's correction in the class."
    return [
        Sheet(
            name="ablation",
            title="Each change against the reference",
            frame=ablation_table(results, patients, design),
            note=f"{paired} The first row of a reference has its means; the others have differences from "
            "them, the largest first: Dice with its 95 % interval, the surface Dice within 2 mm (nsd), the "
            "95th percentile of surface distances (hd95, mm), parameters of the network, seconds of a trial "
            "computed alone, and memory (MB).",
        ),
        Sheet(
            name="main_effects",
            title="Main effects and interactions",
            frame=main_effects(results, patients, design),
            note=f"{paired} A main effect is paired over all arms that are alike in every other factor; an "
            "interaction is by how much it differs between two values of another factor.",
        ),
    ]


def _comparisons(record: PlanRecord, results: pd.DataFrame, patients: pd.DataFrame) -> list[Sheet]:
    """Comparisons of arms, and means with intervals."""
    margin, label = margin_of(record.design), exploratory(record)
    return [
        Sheet(
            name="comparisons",
            title="Each arm against the best of its class",
            frame=comparisons(results, patients, pairs="best", margin=margin),
            note=f"{label} Paired over test patients and T1 networks, folds and seeds averaged first. The "
            "best arm is chosen on validation. Interval: how it was made, and what it holds for; p: of no "
            "difference, likewise; p holm: after Holm's correction in the class; p patients: Wilcoxon "
            "signed-rank, with these networks; effect: rank-biserial correlation; detectable: the "
            "smallest difference that this many patients and networks could have shown (80 % power).",
        ),
        Sheet(
            name="comparisons_all",
            title="All pairs of arms",
            frame=comparisons(results, patients, pairs="all", margin=margin),
            note="As above; Holm's correction counts all pairs of the class.",
        ),
        Sheet(
            name="intervals",
            title="Means over patients, with intervals",
            frame=intervals(results, patients),
        ),
        Sheet(
            name="network_effects",
            title="Where the differences come from: patients, T1 networks, the rest",
            frame=network_effects(results, patients),
            note="Shares of the variance of the difference between the best arm and another one, and how "
            "much another T1 network would move it.",
        ),
    ]


def _choices(results: pd.DataFrame, design: Design) -> list[Sheet]:
    """Choices made on validation, and the importance of factors."""
    return [
        Sheet(
            name="learning_rates",
            title=f"How each arm was chosen: its {design.tuned_in_words}",
            frame=learning_rates(results),
            note="Mean validation Dice on T2 over folds and seeds; test scores play no part.",
        ),
        Sheet(
            name="importance",
            title="Importance of the factors",
            frame=importance(results),
            note="Of this sweep's validation Dice. Fold and seed are yardsticks: a factor below them "
            "matters less than who trains and validates.",
        ),
    ]


def _study(results: pd.DataFrame) -> list[Sheet]:
    """The study's claims and values compared with these results."""
    return [
        Sheet(
            name="claims",
            title="The study's claims",
            frame=claims(results),
            note=f"{STUDY}. Verdicts compare means only; three test patients cannot establish them.",
        ),
        Sheet(
            name="beside_paper",
            title="The study's values and these results",
            frame=compare_with_paper(results),
            note=f"{STUDY}, Tables 2 to 9. Corrected: where the study's own numbers disagree.",
        ),
        Sheet(
            name="paper_identities",
            title="Where the study's own numbers disagree",
            frame=identity_failures(),
            note="JSC = DSC / (2 - DSC), DSC = 2 PRE REC / (PRE + REC), avg = mean of the folds, each "
            "within what rounding explains.",
        ),
    ]


def compose_page(
    record: PlanRecord,
    results: pd.DataFrame,
    patients: pd.DataFrame,
    pictures: list[Picture],
    tables: Mapping[str, list[Sheet]],
) -> Page:
    """The page of a plan, with what `pictures_of` and `sheets` gave."""
    tags = record.tags
    finished = f"{record.finished} of {len(record.plan)} trials"
    return Page(
        title=f"{record.space}: T1w to T2w transfer for head MR segmentation",
        subtitle=", ".join(
            [f"Cohort {tags.get('cohort', 'unknown')}", f"preset {tags.get('preset', 'unknown')}", finished]
        ),
        warnings=_warnings(record),
        answers=[
            *choice_sentences(record),
            *primary_answer(record, results, patients),
            *conclusions(results, patients, margin_of(record.design)),
        ],
        summary=_summary(results, record.design),
        pictures=pictures,
        sections=tables,
        failures=record.failed,
        provenance=_provenance(record),
        space=record.files.get(SPACE_FILE, b"").decode("utf-8", errors="replace"),
    )


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
        pictures.append(
            Picture(
                name="registration",
                title="Alignment of CT and MR",
                caption="MR slices with the outline of bone from the aligned CT, worst quality first.",
                alt="MR slices of several subjects with the outline of bone from CT drawn on them.",
                wide=content,
            )
        )
    return pictures


def _summary(results: pd.DataFrame, design: Design) -> Sheet:
    table = summarise(results)
    # Scores first: on a phone the rest is to the right of the screen.
    factors = ["t2_train_size", "learning_rate", *varied_settings(table)]
    shown = ["arm", *SHOWN, "seconds", *factors, "folds", "sequence"]
    frame = table[shown].rename(columns={"sequence": "tested_on"})
    return Sheet(
        name="summary",
        title=f"Every arm at its chosen {design.tuned_in_words}: test Dice",
        frame=frame,
        note="Means over folds and seeds. Internal air is air inside the head; most other air lies outside "
        "it and flatters the score. Seconds: of a trial computed alone.",
    )


def _warnings(record: PlanRecord) -> list[str]:
    warnings = []
    if record.simulated:
        warnings.append(
            "The heads are simulated: these scores show that the system works. Comparing them with the "
            "values of the study, or of anybody's patients, means nothing."
        )
    if record.missing:
        warnings.append(
            f"The sweep is not finished: {record.finished} of {len(record.plan)} trials are recorded, "
            "and arms may have different folds. Re-run the same command to resume."
        )
    if record.pruned:
        warnings.append(
            f"Trials that were pruned: {record.pruned}. The arms that lack folds for it are named under The "
            "search; they stand in no comparison."
        )
    warnings += record.scan_warnings
    if record.failed:
        warnings.append(f"Trials that failed, named under Failures: {len(record.failed)}.")
    return warnings


def _provenance(record: PlanRecord) -> dict[str, str]:
    shown = {label: record.tags[tag] for tag, label in SHOWN_TAGS.items() if record.tags.get(tag)}
    digests = dict.fromkeys(r.tags[ENCODER_DIGEST] for r in record.records if r.tags.get(ENCODER_DIGEST))
    commits = dict.fromkeys(r.tags.get(GIT_COMMIT, "unknown") for r in record.records)
    overlap = {
        tag.removeprefix("overlap."): value
        for tag, value in record.tags.items()
        if tag.startswith("overlap.")
    }
    return {
        **shown,
        "Encoder digests": ", ".join(digests) or "none used",
        "Commits of the trials": ", ".join(commits) or "none",
        "Patients in both sequences": json.dumps(overlap) if overlap else "unknown",
        "MLflow run": f"{record.parent.info.run_id} in experiment {record.parent.info.experiment_id}",
    }
