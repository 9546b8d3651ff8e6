"""Who trains, validates and tests: the roles of the patients in each fold."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from t1t2core.cohort.roles import ROLES, FoldSplit, Names, Roles, count_overlap
from t1t2core.cohort.split_file import read_splits
from t1t2core.cohort.subject import Cohort
from t1t2core.errors import InputError
from t1t2core.settings import CohortSettings

__all__ = ["FoldSplit", "Roles", "check_request", "count_overlap", "draw_splits"]

T2_TEST_SHARE = 3 / 14
"""Share of the T2w patients in the test set, and in the validation set (Table 2)."""

T1_TEST_SHARE = 0.2
"""The same of the T1w patients (Table 2: 10 of 50)."""

MOST_FOLDS = 3
"""Folds where the test set is fixed (Sec. 3.5)."""


def draw_splits(cohort: Cohort, settings: CohortSettings) -> tuple[FoldSplit, ...]:
    """Give the patients their roles, in every fold that the cohort has.

    The draw depends on `split_seed` and the sorted names alone. T2w patients are split as 8/3/3 of 14 and
    T1w patients as 30/10/10 of 50 (Table 2). Where the test set is fixed, three disjoint validation sets
    rotate among the others; where it is rotated, each patient is tested once. Except `as_published`, no
    T2 test patient trains or validates T1, and no T1 test patient trains or validates T2.

    Args:
        cohort: at least three of its subjects have a T2w scan.
        settings: `split_file` gives the roles in place of the draw.

    Raises:
        InputError: too few patients, or a split file that cannot be used.
    """
    if settings.split_file is not None:
        return read_splits(Path(settings.split_file), cohort, settings)
    t1_names = sorted(subject.name for subject in cohort.subjects)
    t2_names = sorted(subject.name for subject in cohort.with_t2w)
    _check_size(len(t1_names), len(t2_names))
    order = _shuffled(t1_names, settings.split_seed, "T1 roles")
    draw = _rotated_t2 if settings.test_patients == "rotated" else _fixed_t2
    splits = []
    for fold, t2 in enumerate(draw(_shuffled(t2_names, settings.split_seed, "T2 roles")), start=1):
        joining = _shuffled(sorted(t2.training), settings.split_seed, f"T2 training of fold {fold}")
        t2 = Roles(tuple(joining), _sorted(t2.validation), _sorted(t2.test))
        splits.append(FoldSplit(fold, _t1_roles(order, set(t2_names), t2, settings.overlap), t2))
    return tuple(splits)


def check_request(splits: Sequence[FoldSplit], folds: Sequence[int], sizes: Sequence[int]) -> None:
    """Check that the splits give these folds, and these T2 training sizes in each of them.

    Raises:
        InputError: says what was asked for and what there is.
    """
    by_fold = {split.fold: split for split in splits}
    patients = {name for split in splits for role in ROLES for name in getattr(split.t2, role)}
    there = f"the cohort has {len(patients)} T2w patients"
    findings = []
    unknown = sorted(set(folds) - set(by_fold))
    if unknown:
        findings.append(f"{there}: {_in_folds(by_fold)}; found folds {', '.join(map(str, unknown))}")
    asked = [by_fold[fold] for fold in folds if fold in by_fold] or list(splits)
    most = min(len(split.t2.training) for split in asked)
    wrong = sorted({size for size in sizes if not 1 <= size <= most})
    if wrong:
        found = ", ".join(map(str, wrong))
        findings.append(
            f"{there}: at most {most} for training in {_in_folds(by_fold)}; found t2_train_size {found}"
        )
    if findings:
        raise InputError("\n".join(findings))


def _in_folds(folds: Iterable[int]) -> str:
    numbers = sorted(folds)
    if numbers == list(range(1, len(numbers) + 1)):
        return f"{len(numbers)} folds 1..{len(numbers)}"
    return f"{len(numbers)} folds {', '.join(map(str, numbers))}"


def _check_size(t1: int, t2: int) -> None:
    """Refuse a cohort that cannot fill training, validation and test of both sequences."""
    if t2 >= len(ROLES):
        return
    t1_part = min(max(1, round(t1 * T1_TEST_SHARE)), t1 // len(ROLES))
    largest = f"T1 {t1 - 2 * t1_part}/{t1_part}/{t1_part}, T2 {min(t2, 1)}/0/{max(t2 - 1, 0)}"
    raise InputError(
        f"the cohort has {t1} patients, {t2} with T2w: at least 3 with T2w are needed, one each for "
        f"training, validation and test; the largest split (training/validation/test) "
        f"it can give is {largest}"
    )


def _shuffled(names: list[str], seed: int, purpose: str) -> list[str]:
    digest = hashlib.sha256(f"{seed}/{purpose}".encode()).digest()
    generator = np.random.default_rng(int.from_bytes(digest[:16], "big"))
    return [names[i] for i in generator.permutation(len(names))]


def _sorted(names: Iterable[str]) -> Names:
    return tuple(sorted(names))


def _without(names: Sequence[str], *taken: Sequence[str]) -> Names:
    gone = {name for part in taken for name in part}
    return tuple(name for name in names if name not in gone)


def _fixed_t2(order: list[str]) -> list[Roles]:
    """Draw a test set and disjoint validation sets among the others, as many as leave one to train."""
    part = max(1, round(len(order) * T2_TEST_SHARE))
    test, others = order[:part], order[part:]
    folds = min(MOST_FOLDS, len(others) // part)
    validations = [others[fold * part : (fold + 1) * part] for fold in range(folds)]
    return [Roles(_without(others, validation), tuple(validation), tuple(test)) for validation in validations]


def _rotated_t2(order: list[str]) -> list[Roles]:
    """Test sets that cover every patient once; the patients after them, in a circle, validate."""
    part = max(1, round(len(order) * T2_TEST_SHARE))
    folds = []
    for start in range(0, len(order), part):
        test = order[start : start + part]
        after = order[start + len(test) :] + order[:start]
        folds.append(Roles(tuple(after[part:]), tuple(after[:part]), tuple(test)))
    return folds


def _t1_roles(order: list[str], with_t2w: set[str], t2: Roles, overlap: str) -> Roles:
    """The T1 roles that go with these T2 roles; `order` settles all that the rule leaves open."""
    part = max(1, round(len(order) * T1_TEST_SHARE))
    t1_only = [name for name in order if name not in with_t2w]
    if overlap == "as_published":
        validation, test = order[part : 2 * part], order[:part]
    elif overlap == "strict":
        # Validation first, so that it stays the same where a fold tests fewer patients.
        fill = max(0, part - len(t2.validation))
        validation, spare = [*t2.validation, *t1_only[:fill]], t1_only[fill:]
        test = [*t2.test, *spare[: max(0, part - len(t2.test))]]
    else:
        # Patients that train or validate T2 stay out of the T1 test set: a strategy that trains on
        # both sequences would be tested on heads it has seen.
        test = [*t2.test, *t1_only[: max(0, part - len(t2.test))]]
        validation = list(_without(order, test)[:part])
    return Roles(_sorted(_without(order, validation, test)), _sorted(validation), _sorted(test))
