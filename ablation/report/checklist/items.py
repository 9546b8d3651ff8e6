"""The items of the checklist, in the order of a paper's methods."""

from collections.abc import Callable
from dataclasses import dataclass

from ablation.report.checklist import answers
from ablation.report.checklist.facts import Facts


@dataclass(frozen=True)
class Item:
    """Something that a guideline asks for.

    Args:
        what: it is, in our words.
        guidelines: that ask for it, with the number of the item there.
        answer: from the record, empty where that does not tell; None where no record can.
        authors: what they have to say; empty where the record tells all.
    """

    group: str
    what: str
    guidelines: str
    answer: Callable[[Facts], str] | None = None
    authors: str = ""


def _group(name: str, *items: tuple[str, str, Callable[[Facts], str] | None, str]) -> list[Item]:
    return [Item(name, *item) for item in items]


DATA = _group(
    "Data",
    ("Aim and kind of study", "CLAIM 4-6, TRIPOD+AI 4", None, "aim, prospective or retrospective"),
    (
        "Source of the scans",
        "CLAIM 7, TRIPOD+AI 5a, 5b, 6a",
        answers.cohort,
        "hospitals, dates, why these patients were scanned with MR and CT",
    ),
    ("Who was included", "CLAIM 8, TRIPOD+AI 6b", answers.inclusion, "criteria of inclusion and exclusion"),
    ("Flow of the patients", "CLAIM 35, TRIPOD+AI 20a", answers.flow, ""),
    (
        "Characteristics of the patients",
        "CLAIM 36, TRIPOD+AI 20b, 20c",
        answers.characteristics,
        "those that the record lacks, by role; how they compare with the patients it is meant for",
    ),
    (
        "Scanners and sequences",
        "CLAIM 13",
        None,
        "scanners, field strengths, sequences, parameters of the CT",
    ),
    (
        "Privacy and ethics",
        "CLAIM 11, TRIPOD+AI 17",
        None,
        "how the scans were de-identified; approval; consent",
    ),
    ("Missing scans and values", "CLAIM 12, TRIPOD+AI 11", answers.missing, ""),
    ("Number of patients", "CLAIM 21, TRIPOD+AI 10", answers.size, "how the number was decided on"),
)
GROUND_TRUTH = _group(
    "Ground truth",
    ("How the reference labels were made", "CLAIM 14, TRIPOD+AI 8a", answers.labels, ""),
    (
        "Why this reference is fit",
        "CLAIM 15",
        None,
        "why thresholds of CT, or these label maps, are the truth",
    ),
    (
        "Who labelled, and how much raters differ",
        "CLAIM 16-18, TRIPOD+AI 8b, 8c",
        answers.raters,
        "who looked at the registrations; of label maps who drew them, and how much raters differ",
    ),
)
PREPARATION = _group(
    "Preparation",
    ("Registration", "CLAIM 9, TRIPOD+AI 7", answers.registration, ""),
    ("From scans to the network's volumes", "CLAIM 9, 10, TRIPOD+AI 7", answers.preparation, ""),
)
SPLIT = _group(
    "Split",
    ("How patients were assigned", "CLAIM 19, TRIPOD+AI 12a", answers.assignment, ""),
    ("Level at which roles are disjoint", "CLAIM 20", answers.disjoint, ""),
    (
        "Internal and external tests",
        "CLAIM 32, 33, TRIPOD+AI 12d, 16",
        answers.external,
        "whether it was tested on patients of another cohort",
    ),
)
MODEL = _group(
    "Model",
    ("Networks", "CLAIM 22, TRIPOD+AI 12c, 22", answers.networks, ""),
    ("Start of the weights", "CLAIM 24", answers.start, ""),
    ("What it gives", "TRIPOD+AI 15", answers.output, ""),
    ("Software", "CLAIM 23", answers.software, ""),
    ("Ensembles", "CLAIM 27", answers.ensembles, ""),
)
TRAINING = _group(
    "Training",
    ("Training", "CLAIM 25, TRIPOD+AI 12c", answers.training, ""),
    ("What was varied", "CLAIM 25, TRIPOD+AI 12c", answers.varied, ""),
    ("How the final network was chosen", "CLAIM 26, TRIPOD+AI 12c", answers.choice, ""),
    ("Unequal classes", "TRIPOD+AI 13", answers.imbalance, ""),
)
EVALUATION = _group(
    "Evaluation",
    (
        "Scores",
        "CLAIM 28, TRIPOD+AI 12e, Metrics Reloaded S6, S7, FP2.1",
        answers.scores,
        "why these scores suit what the labels are for",
    ),
    ("From voxels and patients to a score", "Metrics Reloaded, metric application", answers.aggregation, ""),
    ("Results", "CLAIM 37, 38, TRIPOD+AI 21, 23a", answers.results, ""),
    ("Groups of patients, fairness", "TRIPOD+AI 3c, 14, 23a", answers.groups, "groups that matter, and why"),
    ("Where it fails", "CLAIM 39", answers.failures, "what these patients have in common"),
    ("Robustness", "CLAIM 30", None, "tests with other scanners, contrast or noise, if there were any"),
    (
        "Confidence of the labels",
        "Metrics Reloaded FP2.7.1",
        None,
        "whether calibration matters; how it was seen",
    ),
    ("Explanations", "CLAIM 31", None, "methods by which labels were explained, or that there were none"),
)
STATISTICS = _group(
    "Statistics",
    ("Uncertainty and tests", "CLAIM 29, TRIPOD+AI 12e", answers.tests, ""),
    ("Primary comparison and correction", "CLAIM 4, 29", answers.primary, ""),
)
LIMITS = _group(
    "Limits and openness",
    ("Limits", "CLAIM 40, TRIPOD+AI 26", answers.limits, "those of the study's design and patients"),
    (
        "Meaning for practice",
        "CLAIM 41, TRIPOD+AI 25, 27a-27c",
        None,
        "use, users, bad scans, what is to be done next",
    ),
    (
        "Protocol and registration",
        "CLAIM 34, 42, TRIPOD+AI 18c, 18d",
        answers.protocol,
        "where the protocol is, and whether the study was registered",
    ),
    (
        "Code, networks, data",
        "CLAIM 43, TRIPOD+AI 18e, 18f",
        answers.code,
        "where code, networks and scans can be had",
    ),
    (
        "Funding and interests",
        "CLAIM 44, TRIPOD+AI 18a, 18b",
        None,
        "funding, its role, conflicts of interest",
    ),
    ("Patients' part in the study", "TRIPOD+AI 19", None, "whether patients or the public took part in it"),
)
ITEMS = [
    *DATA,
    *GROUND_TRUTH,
    *PREPARATION,
    *SPLIT,
    *MODEL,
    *TRAINING,
    *EVALUATION,
    *STATISTICS,
    *LIMITS,
]
