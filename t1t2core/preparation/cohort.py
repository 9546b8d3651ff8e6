"""Volumes of a whole cohort, and what no cohort may have among them."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

import numpy as np

from t1t2core.cohort.names import exclude_line
from t1t2core.cohort.subject import Cohort
from t1t2core.errors import InputError, SubjectsError
from t1t2core.preparation.alignment import Alignment
from t1t2core.preparation.copies import find_copies
from t1t2core.preparation.prepare import PreparedSubject, prepare_subject
from t1t2core.settings import SOURCE, TARGET, PreparationSettings, Sequence

SEQUENCES: tuple[Sequence, Sequence] = (SOURCE, TARGET)


def prepare_cohort(cohort: Cohort, settings: PreparationSettings) -> dict[str, PreparedSubject]:
    """Prepare the volumes of every subject, by name, one after the other.

    Raises:
        SubjectsError: names every subject whose volumes cannot be made, whose CT or label map does not lie on
            its MR, or who copies another.
    """
    prepared, findings = prepare_each(cohort, settings)
    check_volumes(cohort, findings)
    check_prepared(cohort, prepared.values())
    return prepared


def prepare_each(
    cohort: Cohort, settings: PreparationSettings
) -> tuple[dict[str, PreparedSubject], dict[str, list[str]]]:
    """Prepare the volumes of every subject; return them by name, and why those of others cannot be made."""
    prepared, findings = {}, {}
    for subject in cohort.subjects:
        try:
            prepared[subject.name] = prepare_subject(subject, settings)
        except InputError as error:
            findings[subject.name] = [str(error)]
    return prepared, findings


def check_volumes(cohort: Cohort, findings: Mapping[str, list[str]]) -> None:
    """Refuse a cohort with subjects whose volumes cannot be made.

    Raises:
        SubjectsError: names them.
    """
    if findings:
        raise SubjectsError.of(
            f"the volumes of {len(findings)} of {len(cohort.subjects)} subjects of {cohort.name} cannot be "
            f"made (to leave them out: `{exclude_line(findings)}`):",
            findings,
        )


def check_prepared(cohort: Cohort, prepared: Collection[PreparedSubject]) -> None:
    """Refuse what would spoil a study.

    Raises:
        SubjectsError: names every subject whose CT or label map does not lie on its MR, or who copies
            another.
    """
    _refuse_misaligned(cohort, prepared)
    _refuse_copies(cohort, prepared)


def _refuse_copies(cohort: Cohort, prepared: Collection[PreparedSubject]) -> None:
    findings: dict[str, list[str]] = defaultdict(list)
    for copy, first, sequence in find_copies(prepared):
        suffix = cohort.sequences.suffix(sequence)
        findings[copy].append(f"its {suffix} scan is that of {first}, saved anew")
    if findings:
        raise SubjectsError.of(
            f"subjects of {cohort.name} are there under two names, which would put a patient on both sides "
            f"of a split (to leave them out: `{exclude_line(findings)}`):",
            findings,
        )


def check_classes(
    cohort: Cohort,
    prepared: Mapping[str, PreparedSubject],
    trained: Mapping[tuple[str, Sequence], Collection[str]],
) -> None:
    """Refuse classes that no voxel has, of the whole cohort or of patients whom something is trained on.

    Args:
        prepared: volumes by subject.
        trained: names of those patients, by what is trained on their scans of a sequence.

    Raises:
        InputError: names the classes, and where they are missing.
    """
    there = {
        (name, sequence): set(np.unique(one.scan(sequence).labels).tolist())
        for name, one in prepared.items()
        for sequence in SEQUENCES
        if sequence in one.volumes_ml
    }
    if absent := _absent(cohort, there.values()):
        raise InputError(
            f"no voxel of {cohort.name} is {absent}: mend cohort.classes (their values, or ranges of "
            "Hounsfield units), or leave the class out"
        )
    findings = [
        f"{what}: no voxel of the {cohort.sequences.suffix(sequence)} scans of {', '.join(sorted(names))} is "
        f"{absent}"
        for (what, sequence), names in trained.items()
        if (absent := _absent(cohort, [there[name, sequence] for name in names]))
    ]
    if findings:
        raise InputError.collect(
            "a network cannot learn a class that none of its training scans has (other folds, a larger "
            "t2_train_size or another cohort.split_seed may have it):",
            findings,
        )


def _absent(cohort: Cohort, labels: Iterable[set[int]]) -> str:
    """Return the classes that are not among these labels, in words."""
    found = set().union(*labels)
    return " or ".join(name for name in cohort.classes.order if cohort.classes.labels[name] not in found)


def _truth_of(cohort: Cohort, alignment: Alignment) -> str:
    is_map = alignment.method == "given" or not any(subject.ct for subject in cohort.subjects)
    return "label map" if is_map else "CT"


def _refuse_misaligned(cohort: Cohort, prepared: Iterable[PreparedSubject]) -> None:
    findings: dict[str, list[str]] = defaultdict(list)
    for subject in prepared:
        for sequence, alignment in subject.alignment.items():
            if not alignment.ok:
                onto = f"{_truth_of(cohort, alignment)} onto {cohort.sequences.suffix(sequence)}"
                findings[subject.name].append(f"{onto}: {alignment.reason}")
    if findings:
        raise SubjectsError.of(
            f"the CT or label map of {len(findings)} of {len(cohort.subjects)} subjects of {cohort.name} "
            f"does not lie on their MR (to leave them out: `{exclude_line(findings)}`):",
            findings,
            [f"{name}, {finding}" for name, found in findings.items() for finding in found],
        )
