"""Who trains, validates and tests: the roles of the patients in each fold."""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from t1t2core.cohort.participants import groups_of
from t1t2core.cohort.roles import ROLES, FoldSplit, Names, Roles, count_overlap
from t1t2core.cohort.split_file import read_splits
from t1t2core.cohort.subject import Cohort
from t1t2core.errors import InputError
from t1t2core.settings import SOURCE, TARGET, CohortSettings

__all__ = ["FoldSplit", "Roles", "check_request", "count_overlap", "draw_splits", "held_out"]

T2_TEST_SHARE = 3 / 14
"""Share of the T2w patients in the test set, and in the validation set (Table 2)."""

T1_TEST_SHARE = 0.2
"""The same of the T1w patients (Table 2: 10 of 50)."""

FEWEST_GROUPS = 2
"""Values of `leave_one_out`: one is tested, the others train."""

MOST_FOLDS = 3
"""Folds where the test set is fixed (Sec. 3.5)."""


def draw_splits(cohort: Cohort, settings: CohortSettings) -> tuple[FoldSplit, ...]:
    """Give the patients their roles, in every fold that the cohort has.

    The draw depends on `split_seed` and the sorted names alone. T2w patients are split as 8/3/3 of 14 and
    T1w patients as 30/10/10 of 50 (Table 2). Where the test set is fixed, three disjoint validation sets
    rotate among the others; where it is rotated, each patient is tested once; with `leave_one_out` each fold
    tests the patients with one value, and nobody with that value trains or validates. Except
    `as_published`, no T2 test patient trains or validates T1, and no T1 test patient trains or validates T2.

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
    t2_order = _shuffled(t2_names, settings.split_seed, "T2 roles")
    groups = held_out(cohort, settings)
    splits = []
    for fold, t2 in enumerate(_t2_roles(t2_order, settings, list(groups.values())), start=1):
        joining = _shuffled(sorted(t2.training), settings.split_seed, f"T2 training of fold {fold}")
        t2 = Roles(tuple(joining), _sorted(t2.validation), _sorted(t2.test))
        apart = list(groups.values())[fold - 1] if groups else []
        splits.append(FoldSplit(fold, _t1_roles(order, set(t2_names), t2, settings.overlap, apart), t2))
    _check_left(splits, groups)
    return tuple(splits)


def held_out(cohort: Cohort, settings: CohortSettings) -> dict[str, list[str]]:
    """Return who is kept apart in each fold, by the value of `leave_one_out`; empty without that setting.

    Raises:
        InputError: there is no such column, or its patients with T2w have one value.
    """
    if settings.leave_one_out is None:
        return {}
    with_t2w = {subject.name for subject in cohort.with_t2w}
    groups = groups_of(cohort, settings.leave_one_out)
    tested = {value: names for value, names in groups.items() if with_t2w & set(names)}
    if len(tested) < FEWEST_GROUPS:
        raise InputError(
            f"cohort.leave_one_out: all patients with T2w have the {settings.leave_one_out} "
            f"{next(iter(tested))!r}: there is nothing to leave out"
        )
    return tested


def check_request(
    splits: Sequence[FoldSplit], folds: Sequence[int], sizes: Sequence[int], *, tested: Iterable[str] = ()
) -> None:
    """Check that the splits give these folds, and these T2 training sizes in each of them.

    Args:
        tested: value that each fold tests, of `leave_one_out`.

    Raises:
        InputError: says what was asked for and what there is.
    """
    by_fold = {split.fold: split for split in splits}
    patients = {name for split in splits for role in ROLES for name in getattr(split.t2, role)}
    there = f"the cohort has {len(patients)} T2w patients"
    findings = []
    unknown = sorted(set(folds) - set(by_fold))
    if unknown:
        values = ", ".join(f"{fold} tests {value}" for fold, value in zip(by_fold, tested, strict=False))
        which = f" ({values})" if values else ""
        findings.append(f"{there}: {_in_folds(by_fold)}{which}; found folds {', '.join(map(str, unknown))}")
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


def _grouped_t2(order: list[str], groups: list[list[str]]) -> list[Roles]:
    """Test sets are the groups; of the others, in turn, as many validate as where the test set is drawn."""
    folds = []
    for number, group in enumerate(groups):
        test = [name for name in order if name in set(group)]
        others = list(_without(order, test))
        part = max(1, min(round(len(order) * T2_TEST_SHARE), len(others) - 1))
        start = number * part % max(1, len(others))
        turned = others[start:] + others[:start]
        folds.append(Roles(tuple(turned[part:]), tuple(turned[:part]), tuple(test)))
    return folds


def _t2_roles(order: list[str], settings: CohortSettings, groups: list[list[str]]) -> list[Roles]:
    """The T2 roles of each fold."""
    if groups:
        return _grouped_t2(order, groups)
    return _rotated_t2(order) if settings.test_patients == "rotated" else _fixed_t2(order)


def _check_left(splits: Sequence[FoldSplit], groups: Mapping[str, Sequence[str]]) -> None:
    """Refuse groups that leave nobody to train or to validate."""
    for split, value in zip(splits, groups, strict=False):
        for sequence, roles in ((SOURCE, split.t1), (TARGET, split.t2)):
            if not (roles.training and roles.validation):
                raise InputError(
                    f"cohort.leave_one_out: without {value!r}, too few {sequence}w patients are left to "
                    "train and to validate"
                )


def _t1_roles(
    order: list[str], with_t2w: set[str], t2: Roles, overlap: str, apart: Collection[str] = ()
) -> Roles:
    """The T1 roles that go with these T2 roles; `order` settles all that the rule leaves open.

    Args:
        apart: patients who neither train nor validate.
    """
    part = max(1, round(len(order) * T1_TEST_SHARE))
    # Who is kept apart comes first, so that the test set is filled with them.
    t1_only = sorted((name for name in order if name not in with_t2w), key=lambda name: name not in apart)
    least = sum(name in apart for name in t1_only)
    if overlap == "as_published":
        validation, test = order[part : 2 * part], order[:part]
    elif overlap == "strict":
        # Validation first, so that it stays the same where a fold tests fewer patients.
        fill = max(0, part - len(t2.validation))
        kept, free = t1_only[:least], t1_only[least:]
        validation, spare = [*t2.validation, *free[:fill]], [*kept, *free[fill:]]
        test = [*t2.test, *spare[: max(least, part - len(t2.test))]]
    else:
        # Patients that train or validate T2 stay out of the T1 test set: a strategy that trains on
        # both sequences would be tested on heads it has seen.
        test = [*t2.test, *t1_only[: max(least, part - len(t2.test))]]
        validation = list(_without(order, test)[:part])
    return Roles(_sorted(_without(order, validation, test)), _sorted(validation), _sorted(test))
