"""Volumes of a whole cohort, and what no cohort may have among them."""

from collections.abc import Collection, Iterable

from t1t2core.cohort.names import exclude_line
from t1t2core.cohort.subject import Cohort
from t1t2core.errors import InputError
from t1t2core.preparation.copies import find_copies
from t1t2core.preparation.prepare import PreparedSubject, prepare_subject
from t1t2core.settings import PreparationSettings


def prepare_cohort(cohort: Cohort, settings: PreparationSettings) -> dict[str, PreparedSubject]:
    """Prepare the volumes of every subject, by name, one after the other.

    Raises:
        InputError: names every subject whose CT or label map does not lie on its MR, or who copies another.
    """
    prepared = {subject.name: prepare_subject(subject, settings) for subject in cohort.subjects}
    check_prepared(cohort, prepared.values())
    return prepared


def check_prepared(cohort: Cohort, prepared: Collection[PreparedSubject]) -> None:
    """Refuse what would spoil a study.

    Raises:
        InputError: names every subject whose CT or label map does not lie on its MR, or who copies another.
    """
    _refuse_misaligned(cohort, prepared)
    _refuse_copies(cohort, prepared)


def _refuse_copies(cohort: Cohort, prepared: Collection[PreparedSubject]) -> None:
    found = find_copies(prepared)
    if found:
        raise InputError.collect(
            f"subjects of {cohort.name} are there under two names, which would put a patient on both sides "
            f"of a split (to leave them out: `{exclude_line(copy for copy, _, _ in found)}`):",
            [
                f"{copy}: its {sequence}w scan is that of {first}, saved anew"
                for copy, first, sequence in found
            ],
        )


def _refuse_misaligned(cohort: Cohort, prepared: Iterable[PreparedSubject]) -> None:
    findings, names = [], []
    for subject in prepared:
        failed = {sequence: a for sequence, a in subject.alignment.items() if not a.ok}
        findings += [
            f"{subject.name}, {'label map' if a.method == 'given' else 'CT'} onto {sequence}w: {a.reason}"
            for sequence, a in failed.items()
        ]
        names += [subject.name] if failed else []
    if findings:
        raise InputError.collect(
            f"the CT or label map of {len(names)} of {len(cohort.subjects)} subjects of {cohort.name} does "
            f"not lie on their MR (to leave them out: `{exclude_line(names)}`):",
            findings,
        )
