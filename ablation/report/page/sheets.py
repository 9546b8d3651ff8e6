"""The tables of a report, under the headings of its page."""

import pandas as pd

from ablation.record.plan_record import PlanRecord
from ablation.record.robustness import read_robustness
from ablation.report.page.html import Sheet
from ablation.report.page.primary import exploratory
from ablation.report.statistics.comparisons import comparisons
from ablation.report.statistics.contrasts import ablation_table, main_effects, margin_of
from ablation.report.statistics.importance import importance
from ablation.report.statistics.intervals import intervals
from ablation.report.statistics.network_effects import network_effects
from ablation.report.statistics.surfaces import surface_comparisons, surfaces
from ablation.report.statistics.what_to_add import what_to_add
from ablation.report.study.claims import claims
from ablation.report.study.comparison import compare_with_paper
from ablation.report.study.layouts import OF_ANY_ARMS, TITLES, about_budgets, is_of_study, study_tables
from ablation.report.study.paper import identity_failures
from ablation.report.study.texts import IN_AIR
from ablation.report.tables.attenuation import attenuation_table
from ablation.report.tables.calibration import calibration_table
from ablation.report.tables.choice import as_chosen, is_in_folds, rule_of
from ablation.report.tables.frames import Frames
from ablation.report.tables.regions import regions
from ablation.report.tables.robustness import robustness
from ablation.report.tables.search import search_table
from ablation.report.tables.subgroups import read_known, subgroups
from ablation.report.tables.summary import chosen, learning_rates
from ablation.space.design import Design
from ablation.space.objectives import in_words
from t1t2core.settings import SOURCE

STUDY = "Mecheter et al. 2024, doi 10.1049/cit2.12270"
VERDICTS = (
    "Means are pooled over voxels, as the study's; differences are paired over patients and pretrained "
    "networks, the study's over its folds, which share their test patients. Holds: the 95 % interval of the "
    "difference that decides lies at or above the margin. Does not hold: it lies below. Direction only: it "
    "lies above 0, but not above the margin; or there is none, and every patient agrees. Not resolved: all "
    "else. Budgets differ: the arms had unequal numbers of training steps. Each interval is for its pair "
    "alone."
)
CONDITIONAL = (
    "p patients, smallest p and effect take the patients alone as drawn at random: they hold for these "
    "pretrained networks and these trainings, and say nothing of others."
)


def sheets(record: PlanRecord, frames: Frames) -> dict[str, list[Sheet]]:
    """Every table of the report by the heading that it stands under; empty tables are left out."""
    results, patients = frames.results, frames.patients
    design = record.design
    # Arms that differ in settings are none of the study's.
    is_study = not design.settings and is_of_study(record)
    shown = study_tables(results)
    of_study = {name: table for name, table in shown.items() if is_study or name in OF_ANY_ARMS}
    groups = {
        "The search": _search(record),
        "Surfaces beside Dice": _surfaces(results, patients),
        "What each change did": _changes(results, patients, design),
        "The study's tables" if is_study else "Further tables": [
            Sheet(name=name, title=TITLES[name], frame=table, note=about_budgets(table))
            for name, table in of_study.items()
        ],
        "Beyond Dice": _beyond_dice(record, frames),
        "Robustness at test": _robustness(record, results),
        "Statistical comparisons": _comparisons(record, results, patients),
        "Groups of patients": _subgroups(record, results, patients),
        "Choices on validation": _choices(record, results),
        "Comparison with the study": [] if not is_study else _study(results, patients, margin_of(design)),
    }
    return {name: kept for name, group in groups.items() if (kept := [s for s in group if not s.frame.empty])}


def _beyond_dice(record: PlanRecord, frames: Frames) -> list[Sheet]:
    """The whole scan, what its labels make of attenuation, and how far probabilities can be believed."""
    compared, classes = chosen(frames.results), record.classes
    in_air = IN_AIR if classes.is_study else ""
    return [
        Sheet(
            name="regions",
            title="Test Dice in the box, and of all that was scanned",
            frame=regions(compared, frames.everywhere),
            note="All other tables of Dice are of the box: the slices that training takes. Labels of new "
            "scans are written for the whole scan, and there the right-hand figures hold. The last column "
            f"is the share of {classes.order[0].replace('_', ' ')} in test scans that is outside the box.",
        ),
        Sheet(
            name="attenuation",
            title="Attenuation at 511 keV by predicted classes, against CT",
            frame=attenuation_table(compared, frames.attenuation),
            note="Of the whole scan, means over test patients, folds and seeds: what the labels are for in "
            "PET. Classes count as -1000, 40 and 1000 HU, scaled as CT is (bilinear, 120 kVp). By the true "
            "classes: what is lost by having three classes at all. Regions are those of the true classes; "
            f"rings are by the distance from the middle of the head. {in_air}It is a proxy: no PET was "
            "reconstructed.",
        ),
        Sheet(
            name="calibration",
            title="Calibration of the class probabilities",
            frame=calibration_table(compared, frames.calibration),
            note="Pooled over test voxels of the box: the Brier score of each class against the others, and "
            "the expected calibration error over 15 bins. Confidence and accuracy: of the voxels to which "
            "more than half is given, the mean probability, and the share that is of the class.",
        ),
    ]


def _robustness(record: PlanRecord, results: pd.DataFrame) -> list[Sheet]:
    """What changed test scans did to Dice."""
    return [
        Sheet(
            name="robustness",
            title="Test Dice on changed scans, and how much it fell",
            frame=robustness(read_robustness(record.files), results),
            note="Each test scan was changed, prepared anew and labelled by networks that never saw its "
            "patient; drop: Dice of the same scans as they are, less this. Pooled over patients, means over "
            "folds and seeds; a change counts for the patients to whose scans it applies. Of a scan whose "
            "field of view was cut, what is left is scored, in a box that lies elsewhere: a negative drop "
            "can mean that what was hard is gone. No test was made of these differences, and these "
            "pretrained networks are the only ones that they hold for.",
        )
    ]


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


def _surfaces(results: pd.DataFrame, patients: pd.DataFrame) -> list[Sheet]:
    """Surface distances and surface Dice of the arms, and comparisons by them."""
    return [
        Sheet(
            name="surface",
            title="Surface distances and surface Dice of every arm",
            frame=surfaces(results, patients),
            note=f"Each arm {as_chosen(results)}. Means over the test patients: hausdorff 95, the 95th "
            "percentile of surface distances, and the mean distance, mm, less is better; nsd, the share of "
            "both surfaces that lies within 1, 2 or 3 mm of the other, more is better. Undefined: patients "
            "without a distance, where the class is not found: left out of it, and 0 in nsd.",
        ),
        Sheet(
            name="comparisons_surface",
            title="Each arm against the best of its class, by surfaces",
            frame=surface_comparisons(results, patients),
            note="As the comparisons by Dice, with the same best arms; Holm's correction counts the pairs of "
            "a class and metric. The verdict is of the first arm; of hausdorff 95 less is better. Patients "
            f"without a distance under either arm are left out. {CONDITIONAL}",
        ),
    ]


def _changes(results: pd.DataFrame, patients: pd.DataFrame, design: Design) -> list[Sheet]:
    """Effects of the compared factors, where settings are among them."""
    paired = (
        "Paired by patients and pretrained networks; p after Holm's correction in the class. With one "
        "pretrained network interval and p hold for this network alone."
    )
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
    margin, label, source = margin_of(record.design), exploratory(record), record.sequences.source
    against = comparisons(results, patients, pairs="best", margin=margin)
    return [
        Sheet(
            name="comparisons",
            title="Each arm against the best of its class",
            frame=against,
            note=f"{label} Each arm {as_chosen(results)}. Paired over test patients and pretrained networks, "
            "folds and seeds averaged first. The best arm has the best validation Dice of the class. "
            "Interval: how it was made, and what it holds for; p: of no difference, likewise; p holm: after "
            "Holm's correction in the class; effect: rank-biserial correlation over patients; detectable: "
            "the smallest difference that this many patients and networks could have shown (80 % power). "
            f"{CONDITIONAL}",
        ),
        Sheet(
            name="comparisons_all",
            title="All pairs of arms",
            frame=comparisons(results, patients, pairs="all", margin=margin),
            note="As above; Holm's correction counts all pairs of the class.",
        ),
        Sheet(
            name="comparisons_t1",
            title=f"Arms that were tested on {source} as well, compared there",
            frame=comparisons(results, patients, margin=margin, sequence=SOURCE),
            note=f"As above, on {source} test patients: what training on both sequences does to {source}.",
        ),
        *_means(results, patients, against),
    ]


def _means(results: pd.DataFrame, patients: pd.DataFrame, against: pd.DataFrame) -> list[Sheet]:
    """Means with intervals, where their variance lies, and what would narrow them."""
    return [
        Sheet(
            name="intervals",
            title="Means over patients, with intervals",
            frame=intervals(results, patients),
            note="Interval: how it was made. A bootstrap over patients holds for these pretrained networks "
            "and these trainings alone; the others hold beyond them.",
        ),
        Sheet(
            name="what_to_add",
            title="What would narrow the intervals: more patients, pretrained networks or folds",
            frame=what_to_add(results, patients, against),
            note="Shares of the variance of a difference between the best arm and one that is not excluded, "
            "and half the width of its 95 % interval: as it is, and with twice as many of one. With few "
            "pretrained networks the shares are poorly known.",
        ),
        Sheet(
            name="network_effects",
            title="Where the differences come from: patients, pretrained networks, the rest",
            frame=network_effects(results, patients),
            note="Shares of the variance of the difference between the best arm and another one, and how "
            "much another pretrained network would move it.",
        ),
    ]


def _subgroups(record: PlanRecord, results: pd.DataFrame, patients: pd.DataFrame) -> list[Sheet]:
    """Scores by what else is known of the patients."""
    return [
        Sheet(
            name="subgroups",
            title="Test Dice in groups of patients",
            frame=subgroups(results, patients, read_known(record.files)),
            note=f"{record.sequences.target} test patients by what the cohort's table says of them; numbers "
            "are split at their median. Means over patients, folds, seeds and pretrained networks averaged "
            "first; a group of one patient has none, since that would be one person's score. There are no "
            "tests: the groups are small and were not chosen beforehand, so that some differ by chance. A "
            "difference here is a question for another study.",
        )
    ]


def _choices(record: PlanRecord, results: pd.DataFrame) -> list[Sheet]:
    """Choices made on validation, and the importance of factors."""
    return [
        Sheet(
            name="learning_rates",
            title=f"How each arm was chosen: its {record.design.tuned_in_words}",
            frame=learning_rates(results),
            note=f"Mean validation Dice on {record.sequences.target} over {_over(results)}seeds. Chosen: "
            f"{as_chosen(results)}; test scores play no part, and every table and figure, and `best:`, goes "
            "by this choice.",
        ),
        Sheet(
            name="importance",
            title="Importance of the factors",
            frame=importance(results),
            note=f"Of the score that chooses ({in_words(rule_of(results))}). Fold and seed are yardsticks: a "
            "factor below them matters less than who trains and validates. Shares of variance, where every "
            "combination was run: exact, interactions of two factors beside them, rest: of more; f and p "
            "against the interaction with folds. fANOVA and condPED-ANOVA are estimates, the latter relative "
            "to the best quarter of the trials.",
        ),
    ]


def _over(results: pd.DataFrame) -> str:
    return "" if is_in_folds(results) else "folds and "


def _study(results: pd.DataFrame, patients: pd.DataFrame, margin: float | None) -> list[Sheet]:
    """The study's claims and values compared with these results."""
    return [
        Sheet(
            name="claims",
            title="The study's claims",
            frame=claims(results, patients, margin),
            note=f"{STUDY}. {VERDICTS}",
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
