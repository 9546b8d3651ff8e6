"""A look at a whole cohort before a study: who can be used, who cannot and why, what else would stop it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from t1t2core.cohort.check import check_cohort
from t1t2core.cohort.names import exclude_line
from t1t2core.cohort.roles import FoldSplit
from t1t2core.cohort.split import draw_splits
from t1t2core.cohort.subject import Cohort
from t1t2core.errors import InputError, SubjectsError
from t1t2core.preparation.cohort import check_classes, check_prepared, prepare_each
from t1t2core.preparation.prepare import PreparedSubject
from t1t2core.settings import SOURCE, TARGET, CohortSettings, Settings
from t1t2core.settings import Sequence as SequenceName

Findings = Mapping[str, Sequence[str]]
"""What is wrong with subjects, by name, a sentence each."""
Prepare = Callable[[Cohort], tuple[Mapping[str, PreparedSubject], Findings]]
"""Prepares volumes, and says of whom none can be made (see `prepare_each`)."""


def _nobody() -> Cohort:
    return Cohort(name="this cohort", subjects=())


@dataclass(kw_only=True)
class Survey:
    """What was found in a cohort.

    Args:
        cohort: the subjects that can be used.
        findings: what is wrong with those that cannot.
        problems: why the cohort cannot be used, even without them.
        prepared: volumes by name; of those that cannot be used too, where there are any.
        looked_at: the subjects whose volumes those are.
        splits: of those that can be used; none where none can be drawn.
    """

    cohort: Cohort
    findings: dict[str, list[str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    prepared: Mapping[str, PreparedSubject] = field(default_factory=dict)
    looked_at: Cohort = field(default_factory=_nobody)
    splits: tuple[FoldSplit, ...] = ()

    @property
    def exclude_line(self) -> str:
        """The line of a search space that leaves out who cannot be used; empty where all can."""
        return exclude_line(self.findings) if self.findings else ""

    def settle(self, check: Callable[[Cohort], Cohort | None]) -> None:
        """Leave out subjects that a check refuses, until it refuses none; note what else it refuses."""
        while self.cohort.subjects:
            try:
                self.cohort = check(self.cohort) or self.cohort
            except SubjectsError as error:
                self.leave_out(error.findings)
            except InputError as error:
                self.problems.append(str(error))
                return
            else:
                return

    def leave_out(self, findings: Findings) -> None:
        """Take these subjects out of the cohort."""
        for name, found in findings.items():
            self.findings.setdefault(name, []).extend(found)
        left = tuple(subject for subject in self.cohort.subjects if subject.name not in findings)
        self.cohort = replace(self.cohort, subjects=left)


def survey_cohort(
    read: Callable[[CohortSettings], Cohort],
    settings: Settings,
    *,
    check: Callable[[Cohort], Cohort] = check_cohort,
    prepare: Prepare | None = None,
) -> Survey:
    """Look at all that a study would refuse in a cohort; one bad subject does not hide the others.

    Args:
        read: the cohort by its settings, as `read_cohort` with its place.
        check: its scans, as `check_cohort`.
        prepare: its volumes; one subject after the other, unless given.

    Raises:
        InputError: there is no cohort to look at.
    """
    survey = _read(read, settings.cohort)
    survey.settle(check)
    prepare = prepare or partial(prepare_each, settings=settings.preparation)
    survey.prepared, unprepared = prepare(survey.cohort)
    survey.leave_out(unprepared)
    survey.looked_at = survey.cohort
    survey.settle(
        lambda cohort: check_prepared(cohort, [survey.prepared[one.name] for one in cohort.subjects])
    )
    if not survey.cohort.subjects:
        survey.problems.append(f"no subject of {survey.cohort.name} can be used")
        return survey
    try:
        survey.splits = draw_splits(survey.cohort, settings.cohort)
        usable = {one.name: survey.prepared[one.name] for one in survey.cohort.subjects}
        check_classes(survey.cohort, usable, _trained(survey.splits))
    except InputError as error:
        survey.problems.append(str(error))
    return survey


def _trained(splits: Iterable[FoldSplit]) -> dict[tuple[str, SequenceName], tuple[str, ...]]:
    """Who trains, by fold and sequence."""
    sequences: tuple[SequenceName, ...] = (SOURCE, TARGET)
    return {
        (f"fold {split.fold}", sequence): (split.t1 if sequence == SOURCE else split.t2).training
        for split in splits
        for sequence in sequences
    }


def _read(read: Callable[[CohortSettings], Cohort], settings: CohortSettings) -> Survey:
    """Read the cohort without the subjects that cannot be read."""
    survey = Survey(cohort=_nobody())
    excluded: list[str] = []
    while True:
        try:
            cohort = read(replace(settings, exclude=(*settings.exclude, *excluded)))
        except SubjectsError as error:
            survey.leave_out(error.findings)
            excluded += error.findings
        except InputError as error:
            if not excluded:
                raise
            survey.problems.append(str(error))
            return survey
        else:
            survey.cohort = cohort
            return survey
