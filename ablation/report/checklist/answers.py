"""Answers from the record, a function an item; empty where the record does not tell."""

import json

import pandas as pd

from ablation.names import COHORT_FINGERPRINT, ENCODER_DIGEST, GIT_COMMIT, PRIMARY, SPACE_DIGEST
from ablation.record.selection import classes_in, select
from ablation.record.settings import setting_text
from ablation.report.checklist.facts import Facts, named
from ablation.report.page.primary import primary_answer
from ablation.report.statistics.comparisons import comparisons
from ablation.report.study.texts import ENCLOSED_AIR, labels_from_ct
from ablation.report.tables.arms import best_arms
from ablation.report.tables.choice import as_chosen
from ablation.report.tables.subgroups import subgroups
from ablation.report.tables.summary import chosen, summarise
from ablation.space.points import ARCHITECTURE
from t1t2core.cohort.participants import is_number
from t1t2core.network.architectures import STUDY
from t1t2core.settings import TARGET
from t1t2core.settings.classes import INTERNAL_AIR, STUDY_CLASSES, Classes

TESTS = {
    "one": "Arms are paired over test patients: Wilcoxon's signed-rank test, exact, and from six patients on "
    "bootstrap intervals. There is one pretrained network, and all of it holds for that one alone.",
    "seeds": "Arms are paired over test patients and pretrained networks, both taken as drawn at random: t "
    "intervals and tests with Satterthwaite's degrees of freedom.",
    "folds": "Arms are paired over test patients and pretrained networks, one a fold, both taken as drawn at "
    "random: t intervals and tests with Satterthwaite's degrees of freedom.",
    "rotated": "Each patient is tested in one fold; arms are compared by t intervals and tests over the "
    "means of the folds.",
}
"""By how patients and networks lie to each other (see `NetworkScores`)."""


def cohort(facts: Facts) -> str:
    """Name and kind of the cohort."""
    tags = facts.record.tags
    kind = "simulated heads, no patients" if facts.record.simulated else "not marked as simulated"
    print_ = tags.get(COHORT_FINGERPRINT) or facts.record.records[0].tags.get(COHORT_FINGERPRINT, "")
    return f"Cohort {tags.get('cohort', 'unknown')} ({kind}); fingerprint of its scans {print_}."


def inclusion(facts: Facts) -> str:
    """What the program asks of a patient."""
    left_out = len(facts.subjects) - len(facts.took_part)
    told = f" {left_out} more were left out (see the flow of the patients)." if left_out else ""
    source, target = facts.sequences.source, facts.sequences.target
    rule = (
        f"Every patient has a {source} scan and a CT or label maps; for {target} roles a {target} scan too."
    )
    return f"{rule}{told}"


def flow(facts: Facts) -> str:
    """Where it is."""
    return (
        "" if facts.took_part.empty else f"{len(facts.took_part)} patients took part; table `patient_flow`."
    )


def characteristics(facts: Facts) -> str:
    """Each known column in a few words."""
    known = facts.known.reindex(facts.took_part["subject"]) if not facts.known.empty else facts.known
    return "; ".join(_column(str(name), known[name].dropna()) for name in known if known[name].notna().any())


def _column(name: str, values: pd.Series) -> str:
    if values.map(is_number).all() and values.nunique() > 2:
        numbers = values.astype(float)
        reach = f"{numbers.min():g} to {numbers.max():g}"
        return f"{name}: median {numbers.median():g} ({reach}), {len(values)} known"
    counts = values.value_counts().sort_index()
    return f"{name}: " + ", ".join(f"{value} {number}" for value, number in counts.items())


def missing(facts: Facts) -> str:
    """Patients without the target sequence, and voxels that the CT never saw."""
    if facts.took_part.empty:
        return ""
    without = int((~facts.took_part["sequences"].str.contains(TARGET)).sum())
    outside = facts.settings.preparation.outside_ct if facts.settings else "ignore"
    voxels = "left out of training and scores" if outside == "ignore" else "taken for what surrounds the head"
    return (
        f"{without} of {len(facts.took_part)} patients have no {facts.sequences.target} scan and take part "
        f"with {facts.sequences.source} alone. Voxels that the CT did not see are {voxels}. Nothing was "
        "imputed."
    )


def size(facts: Facts) -> str:
    """Patients and networks of the comparisons, and what they could show."""
    test = select(facts.patients, split="test", sequence=TARGET)
    words = f"{test['patient'].nunique()} {facts.sequences.target} test patients"
    table = comparisons(facts.results, facts.patients, pairs="best", tissues=classes_in(facts.results)[:1])
    detectable = table["detectable"].dropna()
    if detectable.empty:
        return f"{words}."
    return (
        f"{words}; differences in the Dice of {classes_in(facts.results)[0]} from {detectable.min():.3f} to "
        f"{detectable.max():.3f} "
        "could have been shown with 80 % power (table `comparisons`)."
    )


def labels(facts: Facts) -> str:
    """Thresholds of the CT."""
    if facts.settings is None:
        return ""
    classes = facts.settings.classes
    return labels_from_ct(facts.settings.preparation) if classes == STUDY_CLASSES else _own_labels(classes)


def _own_labels(classes: Classes) -> str:
    """How classes of the user's own are told."""
    told = [
        f"{name} {f'{one[0]:g} to {one[1]:g} HU' if one else 'all else'}"
        for name, one in zip(classes.names, classes.ranges, strict=False)
    ]
    values = [f"{name} {value}" for name, value in zip(classes.names, classes.values, strict=True)]
    return f"From CT: {', '.join(told)}." if told else f"From label maps, by value: {', '.join(values)}."


def raters(facts: Facts) -> str:
    """How many registrations were doubted."""
    columns = [name for name in facts.took_part if str(name).endswith("_alignment_ok")]
    doubted = facts.took_part[(facts.took_part[columns] == "False").any(axis=1)] if columns else None
    if doubted is None:
        return ""
    names = f": {named(doubted['subject'].tolist())}" if len(doubted) else ""
    return f"Labels from CT have no rater. Registrations that the program doubts: {len(doubted)}{names}."


def registration(facts: Facts) -> str:
    """How CT and MR were brought together."""
    if facts.settings is None:
        return ""
    if facts.settings.preparation.registration == "none":
        return "None: the files were taken as aligned."
    return "Rigid, CT onto each MR scan by mutual information; judged in `subjects.csv` and its picture."


def preparation(facts: Facts) -> str:
    """Grid and intensities."""
    if facts.settings is None:
        return ""
    own = facts.settings.preparation
    grid, voxel = (" x ".join(f"{side:g}" for side in sides) for sides in (own.grid, own.voxel_mm))
    return (
        f"{grid} voxels of {voxel} mm; MR intensities by {own.normalisation.replace('_', ' ')} normalisation."
    )


def assignment(facts: Facts) -> str:
    """The rule by which roles were given."""
    if facts.settings is None:
        return ""
    own, number = facts.settings.cohort, len(facts.folds)
    if own.split_file is not None:
        rule = "Roles were given by a file"
    elif own.leave_one_out is not None:
        rule = f"Each fold tests the patients with one value of {own.leave_one_out}"
    elif own.test_patients == "rotated":
        rule = f"Drawn at random (seed {own.split_seed}); each patient is tested in one fold"
    else:
        rule = f"Drawn at random (seed {own.split_seed}); one test set, validation patients differ by fold"
    return f"{rule}. Folds: {number}. Numbers by role: table `patient_flow`."


def disjoint(facts: Facts) -> str:
    """The guard between the sequences, and who is on both sides."""
    if facts.settings is None:
        return ""
    tags, source, target = facts.record.tags, facts.sequences.source, facts.sequences.target
    leaks = sum(
        int(value)
        for name, value in tags.items()
        if name.endswith(("t2_test_in_t1_training", "t2_test_in_t1_validation"))
    )
    return (
        f"Patient: in a fold each has one role a sequence. Rule between {source} and {target}: "
        f"`{facts.settings.cohort.overlap}`; {target} test patients who trained or chose a pretrained "
        f"network, over all folds: {leaks}."
    )


def external(facts: Facts) -> str:
    """Whether folds tested what training had not seen."""
    column = facts.settings.cohort.leave_one_out if facts.settings else None
    if column is None:
        return "Internal: test patients are of the same cohort."
    return (
        f"Internal-external: each fold tests the patients with one {column}, which its training has not seen."
    )


def networks(facts: Facts) -> str:
    """Architecture and size."""
    counts = facts.results["parameters"].dropna()
    size_ = f", {counts.min():,.0f} to {counts.max():,.0f} parameters" if len(counts) else ""
    width = f", width {facts.settings.network.width}" if facts.settings else ""
    named = {setting_text(one.params, ARCHITECTURE) for one in facts.record.records}
    which = ", ".join(sorted(named - {STUDY}))
    study = "encoder-decoder of 21 convolutions with attention" if STUDY in named or not named else ""
    kinds = " and ".join(part for part in (study, which) if part)
    return f"{kinds[0].upper()}{kinds[1:]}{width}{size_}; hybrids have two encoders."


def start(facts: Facts) -> str:
    """How many pretrained networks trials started from."""
    digests = {one.tags[ENCODER_DIGEST] for one in facts.record.records if one.tags.get(ENCODER_DIGEST)}
    if not digests:
        return "At random: no trial started from a pretrained network."
    return f"Pretrained networks that trials started from: {len(digests)}, by digest in `results.csv`; else "
    "random."


def output(facts: Facts) -> str:
    """Classes."""
    names = " or ".join(name.replace("_", " ") for name in facts.record.classes.names)
    return f"A class for each voxel: {names}, the one with the largest probability."


def software(facts: Facts) -> str:
    """Versions."""
    tags = facts.record.tags
    return "; ".join(tags[name] for name in ("version", "libraries") if tags.get(name))


def ensembles(_: Facts) -> str:
    """What tables show, and what labels new scans."""
    return "Tables show single networks. New scans are labelled by the mean of an arm's folds and seeds."


def training(facts: Facts) -> str:
    """Loss, optimiser, length."""
    if facts.settings is None:
        return ""
    own = facts.settings.training
    length = f"{own.max_steps} steps" if own.max_steps else f"{own.max_epochs} epochs at most"
    augmented = ", ".join(own.augmentation) or "none"
    return (
        f"Adam, {own.loss.replace('_', ' ')}, batches of {own.batch_size} patches, {length}, schedule "
        f"{own.schedule.replace('_', ' ')}, augmentation {augmented}; all others: `settings.json` of a trial."
    )


def varied(facts: Facts) -> str:
    """Arms and repeats."""
    design = facts.record.design
    settings = f"; settings: {', '.join(design.settings)}" if design.settings else ""
    return f"{facts.results['arm'].nunique()} arms, {len(facts.record.plan)} trials{settings}."


def choice(facts: Facts) -> str:
    """On what the choice was made."""
    rule = as_chosen(facts.results)
    return (
        f"Weights of the epoch that was best on validation; {facts.record.design.tuned_in_words} of each arm "
        f"{rule}. Test scores play no part."
    )


def imbalance(facts: Facts) -> str:
    """The loss, and where it starts."""
    if facts.settings is None:
        return ""
    own = facts.settings.training
    loss, bias = (text.replace("_", " ") for text in (own.loss, own.initial_bias))
    return f"Loss {loss}; bias of a fresh classifier: {bias}."


def scores(facts: Facts) -> str:
    """Metrics that were measured."""
    surface = facts.patients.get("mean_surface_distance_mm", pd.Series(dtype=float)).notna().any()
    distances = ", surface distances and surface Dice" if surface else ""
    probabilities = facts.patients.get("brier", pd.Series(dtype=float)).notna().any()
    calibrated = ", calibration of the probabilities" if probabilities else ""
    told = f"Dice, precision, recall and Jaccard a class{distances}{calibrated}."
    return f"{told} {ENCLOSED_AIR}" if INTERNAL_AIR in facts.record.classes.scored else told


def aggregation(_: Facts) -> str:
    """Pooled or by patient."""
    return (
        "Scores of a trial are pooled over the voxels of its patients; intervals and tests have one value a "
        "patient. A Dice without any voxel, true or labelled, is undefined, and 0 for choices alone."
    )


def results(facts: Facts) -> str:
    """The best arm of each class."""
    table, best = summarise(facts.results), best_arms(facts.results)
    told = []
    for tissue, arm in best.items():
        rows = table[(table["arm"] == arm) & (table["sequence"] == TARGET)]
        if len(rows) and pd.notna(rows[tissue].iloc[0]):
            told.append(f"{tissue.replace('_', ' ')}: {arm} {rows[tissue].iloc[0]:.3f}")
    return (
        f"Test Dice of the arm chosen on validation: {', '.join(told)}; tables `summary`, `intervals`."
        if told
        else ""
    )


def groups(facts: Facts) -> str:
    """Columns by which scores are shown."""
    columns = subgroups(facts.results, facts.patients, facts.known)["known_of_patients"].unique().tolist()
    return f"Scores by {', '.join(columns)}: table `subgroups`, without tests." if columns else ""


def failures(facts: Facts) -> str:
    """The patient with the lowest Dice of the first class of the best arm."""
    tissue = classes_in(facts.results)[0]
    keys = chosen(facts.results).query(
        "arm == @arm", local_dict={"arm": best_arms(facts.results).get(tissue)}
    )
    part = select(facts.patients, split="test", sequence=TARGET, tissue=tissue)
    means = part[part["trial_key"].isin(keys["trial_key"])].groupby("patient")["dsc"].mean().dropna()
    if means.empty:
        return ""
    name = tissue.replace("_", " ")
    told = f"{means.idxmin()}, {means.min():.3f}"
    return f"Lowest Dice of {name} of the best arm: {told}; figures show its slices."


def tests(facts: Facts) -> str:
    """The tests that were made."""
    return TESTS[facts.scores.kind]


def primary(facts: Facts) -> str:
    """The primary comparison, or that there is none."""
    correction = "Holm's correction within a class, none across classes."
    stated = facts.record.tags.get(PRIMARY)
    if stated is None:
        return f"None was stated: all comparisons are exploratory. {correction}"
    asked = json.loads(stated)["primary"]
    told = primary_answer(facts.record, facts.results, facts.patients)
    return " ".join([*told, f"Others than {asked['arm']} against {asked['against']}: {correction}"])


def limits(facts: Facts) -> str:
    """What the page warns of."""
    return " ".join(facts.warnings)


def protocol(facts: Facts) -> str:
    """The search space that was run."""
    digest = facts.record.tags.get(SPACE_DIGEST)
    return f"The search space is recorded with the plan (`space.yaml`, SHA-256 {digest})." if digest else ""


def code(facts: Facts) -> str:
    """Commits and weights."""
    commits = sorted({one.tags.get(GIT_COMMIT, "unknown") for one in facts.record.records})
    return f"Commits of the trials: {', '.join(commits)}; weights of each trial are in the record."
