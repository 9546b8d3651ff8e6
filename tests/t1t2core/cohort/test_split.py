"""A cohort's patients get their roles: as in the study's Table 2, without a leak, the same every time."""

from collections import Counter
from dataclasses import replace
from itertools import chain, pairwise, product
from pathlib import Path

import pytest

from t1t2core.cohort.split import FoldSplit, Roles, check_request, count_overlap, draw_splits
from t1t2core.cohort.subject import Cohort, Subject
from t1t2core.errors import InputError
from t1t2core.settings import CohortSettings


def cohort_of(patients: int, with_t2w: int) -> Cohort:
    """Patients of whom those with the middle numbers have a T2w scan."""
    first = (patients - with_t2w) // 2
    return Cohort(
        name="heads",
        subjects=tuple(
            Subject(
                name=f"sub-{number:02}",
                t1w=Path("t1.nii"),
                t2w=Path("t2.nii") if first <= number < first + with_t2w else None,
                ct=Path("ct.nii"),
            )
            for number in range(patients)
        ),
    )


def sizes(roles: Roles) -> tuple[int, int, int]:
    return len(roles.training), len(roles.validation), len(roles.test)


def everyone(roles: Roles) -> list[str]:
    return sorted(chain(roles.training, roles.validation, roles.test))


STUDY = cohort_of(50, 14)
EVERY_RULE = [
    CohortSettings(overlap=overlap, test_patients=test)
    for overlap, test in product(("test_disjoint", "strict", "as_published"), ("fixed", "rotated"))
]


def test_the_study_has_three_folds_of_30_10_10_and_8_3_3() -> None:
    splits = draw_splits(STUDY, CohortSettings())
    assert [split.fold for split in splits] == [1, 2, 3]
    assert all(sizes(split.t1) == (30, 10, 10) for split in splits)
    assert all(sizes(split.t2) == (8, 3, 3) for split in splits)
    assert len({split.t2.test for split in splits}) == 1
    assert len(set(chain.from_iterable(split.t2.validation for split in splits))) == 9
    assert len({split.t1 for split in splits}) == 1, "one encoder for all folds"


@pytest.mark.parametrize("settings", EVERY_RULE, ids=lambda s: f"{s.overlap}-{s.test_patients}")
@pytest.mark.parametrize(
    ("patients", "with_t2w"), [(50, 14), (20, 14), (14, 14), (30, 3), (3, 3), (7, 7), (9, 5)]
)
def test_each_patient_has_one_role_a_sequence_and_every_role_is_filled(
    settings: CohortSettings, patients: int, with_t2w: int
) -> None:
    cohort = cohort_of(patients, with_t2w)
    splits = draw_splits(cohort, settings)
    assert splits
    for split in splits:
        assert everyone(split.t1) == [subject.name for subject in cohort.subjects]
        assert everyone(split.t2) == [subject.name for subject in cohort.with_t2w]
        assert min(*sizes(split.t1), *sizes(split.t2)) >= 1


@pytest.mark.parametrize("test_patients", ["fixed", "rotated"])
@pytest.mark.parametrize(("patients", "with_t2w"), [(50, 14), (20, 14), (14, 14), (7, 7), (9, 5)])
def test_by_default_no_test_patient_is_seen_in_the_other_sequence(
    test_patients: str, patients: int, with_t2w: int
) -> None:
    settings = CohortSettings(test_patients=test_patients)
    for split in draw_splits(cohort_of(patients, with_t2w), settings):
        counts = count_overlap(split)
        assert counts["t2_test_in_t1_test"] == len(split.t2.test)
        for leak in ("t2_test_in_t1_training", "t2_test_in_t1_validation"):
            assert counts[leak] == 0
        for leak in ("t2_training_in_t1_test", "t2_validation_in_t1_test"):
            assert counts[leak] == 0


@pytest.mark.parametrize("test_patients", ["fixed", "rotated"])
def test_strict_gives_one_role_in_both_sequences(test_patients: str) -> None:
    for split in draw_splits(STUDY, CohortSettings(overlap="strict", test_patients=test_patients)):
        assert sizes(split.t1) == (30, 10, 10)
        for role in ("training", "validation", "test"):
            assert set(getattr(split.t2, role)) <= set(getattr(split.t1, role))


def test_as_published_does_not_look_at_the_other_sequence() -> None:
    settings = [CohortSettings(overlap="as_published", split_seed=seed) for seed in range(20)]
    leaks = [count_overlap(draw_splits(STUDY, s)[0])["t2_test_in_t1_training"] for s in settings]
    # 3 test patients of whom 30 in 50 are expected among T1 training: 1.8 a draw.
    assert 1.0 < sum(leaks) / len(leaks) < 2.6


def test_rotated_tests_every_patient_once() -> None:
    splits = draw_splits(STUDY, CohortSettings(test_patients="rotated"))
    assert [len(split.t2.test) for split in splits] == [3, 3, 3, 3, 2]
    tested = Counter(chain.from_iterable(split.t2.test for split in splits))
    assert sorted(tested) == [subject.name for subject in STUDY.with_t2w]
    assert set(tested.values()) == {1}
    first, *others = (set(split.t1.training) for split in splits)
    assert all(len(first & other) >= 24 for other in others), "T1 training changes no more than it must"


def test_smaller_training_sets_are_among_larger_ones() -> None:
    for split in draw_splits(STUDY, CohortSettings()):
        nested = [split.t2_training(size) for size in (2, 4, 6, 8)]
        assert [len(names) for names in nested] == [2, 4, 6, 8]
        assert all(set(small) < set(large) for small, large in pairwise(nested))
        assert set(nested[-1]) == set(split.t2.training)
        for size in (0, 9):
            with pytest.raises(
                InputError, match=f"has 8 T2w patients for training; found t2_train_size {size}"
            ):
                split.t2_training(size)


def test_the_draw_depends_on_the_seed_and_the_names_alone() -> None:
    again = Cohort(name="other", subjects=STUDY.subjects[::-1], simulated=True)
    assert draw_splits(again, CohortSettings()) == draw_splits(STUDY, CohortSettings())
    tests = {draw_splits(STUDY, CohortSettings(split_seed=seed))[0].t2.test for seed in range(10)}
    assert len(tests) > 5


def test_the_draw_stays_what_it_was() -> None:
    """Recorded trials are compared with new ones only if their patients are the same."""
    first = draw_splits(STUDY, CohortSettings())[0]
    assert first.t2.test == ("sub-26", "sub-30", "sub-31")
    assert first.t2.training[:4] == ("sub-24", "sub-21", "sub-20", "sub-28")


@pytest.mark.parametrize(("with_t2w", "folds"), [(3, 2), (4, 3), (5, 3), (7, 2), (8, 3)])
def test_fewer_patients_give_as_many_folds_as_they_can(with_t2w: int, folds: int) -> None:
    assert len(draw_splits(cohort_of(20, with_t2w), CohortSettings())) == folds


@pytest.mark.parametrize("with_t2w", [0, 1, 2])
def test_a_cohort_too_small_for_every_role_is_refused_with_the_numbers(with_t2w: int) -> None:
    with pytest.raises(InputError, match=f"20 patients, {with_t2w} with T2w: at least 3") as refusal:
        draw_splits(cohort_of(20, with_t2w), CohortSettings())
    assert "T1 12/4/4" in str(refusal.value)


def test_a_request_that_cannot_be_given_is_refused_with_the_numbers() -> None:
    splits = draw_splits(STUDY, CohortSettings())
    check_request(splits, folds=[1, 2, 3], sizes=[2, 4, 6, 8])
    with pytest.raises(InputError) as refusal:
        check_request(splits, folds=[1, 2, 3, 4], sizes=[8, 12])
    assert "14 T2w patients: 3 folds 1..3; found folds 4" in str(refusal.value)
    assert "at most 8 for training in 3 folds 1..3; found t2_train_size 12" in str(refusal.value)


def write_split(folder: Path, splits: tuple[FoldSplit, ...], *more: str) -> CohortSettings:
    """The splits as a user's own table, with lines added at its end."""
    lines = ["subject,fold,sequence,role"]
    for split, (sequence, roles) in product(splits, (("T1", "t1"), ("T2", "t2"))):
        for role in ("training", "validation", "test"):
            names = getattr(getattr(split, roles), role)
            lines += [f"{name},{split.fold},{sequence},{role}" for name in names]
    (folder / "split.csv").write_text("\n".join([*lines, *more]) + "\n")
    return CohortSettings(split_file=str(folder / "split.csv"))


def test_a_table_takes_the_place_of_the_draw(tmp_path: Path) -> None:
    splits = draw_splits(STUDY, CohortSettings(split_seed=5))
    settings = write_split(tmp_path, splits)
    assert draw_splits(STUDY, settings) == splits
    assert draw_splits(STUDY, settings) != draw_splits(STUDY, CohortSettings())


def test_a_table_may_list_who_is_left_out_and_be_a_spreadsheets(tmp_path: Path) -> None:
    splits = draw_splits(STUDY, CohortSettings(split_seed=5))
    settings = write_split(tmp_path, splits, "sub-99,1,T1,training", "sub-98,1,T1,training")
    with pytest.raises(InputError, match="'sub-99' is no subject"):
        draw_splits(STUDY, settings)
    cohort = replace(STUDY, left_out={"sub-99": "no ct of session pre (has post)"})
    settings = replace(settings, exclude=("sub-98",))
    assert draw_splits(cohort, settings) == splits
    table = tmp_path / "split.csv"
    table.write_text(table.read_text().replace(",", ";").replace("\n", ";;\r\n"), encoding="utf-16")
    assert draw_splits(cohort, settings) == splits


def test_every_line_of_the_table_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    splits = draw_splits(STUDY, CohortSettings())
    lines = (
        "sub-99,1,T1,test",
        "sub-00,one,T1,test",
        "sub-00,1,T3,test",
        "sub-00,1,T1,tests",
        "sub-00,1,T2,test",
    )
    with pytest.raises(InputError) as refusal:
        draw_splits(STUDY, write_split(tmp_path, splits, *lines))
    text = str(refusal.value)
    assert "'sub-99' is no subject of this cohort" in text
    assert "fold 'one' is no whole number from 1" in text
    assert "sequence 'T3' is neither T1 nor T2" in text
    assert "role 'tests' is not training, validation, test or none; did you mean 'test'?" in text
    assert "sub-00 has no T2w scan" in text


def test_roles_in_the_table_must_keep_the_rule(tmp_path: Path) -> None:
    (split, *_) = draw_splits(STUDY, CohortSettings())
    test = split.t2.test
    t1 = Roles((*split.t1.training, test[0]), split.t1.validation, tuple(set(split.t1.test) - {test[0]}))
    settings = write_split(tmp_path, (FoldSplit(1, t1, split.t2),))
    with pytest.raises(InputError, match=f"fold 1: {test[0]} in T2 test and T1 training"):
        draw_splits(STUDY, settings)
    leaky = CohortSettings(split_file=settings.split_file, overlap="as_published")
    assert count_overlap(draw_splits(STUDY, leaky)[0])["t2_test_in_t1_training"] == 1


def test_a_table_without_a_role_or_with_a_patient_twice_is_refused(tmp_path: Path) -> None:
    (split, *_) = draw_splits(STUDY, CohortSettings())
    empty = FoldSplit(1, split.t1, Roles(split.t2.training, (), split.t2.test))
    with pytest.raises(InputError, match="fold 1: no T2 patient for validation"):
        draw_splits(STUDY, write_split(tmp_path, (empty,)))
    again = f"{split.t2.test[0]},1,T2,training"
    with pytest.raises(InputError, match=f"fold 1: {split.t2.test[0]} is listed 2 times for T2"):
        draw_splits(STUDY, write_split(tmp_path, (split,), again))
    with pytest.raises(InputError, match="there is no such file"):
        draw_splits(STUDY, CohortSettings(split_file=str(tmp_path / "gone.csv")))


@pytest.mark.parametrize("fold", ["9" * 5000, "10000", "0", "1.0", "-1", "\u0661"])
def test_a_fold_that_is_no_small_number_is_refused(tmp_path: Path, fold: str) -> None:
    table = tmp_path / "split.csv"
    table.write_text(f"subject,fold,sequence,role\nP01,{fold},T1,training\n", encoding="utf-8")
    with pytest.raises(InputError, match="is no whole number from 1 to 9999"):
        draw_splits(STUDY, CohortSettings(split_file=str(table)))


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "x" * 300, "/dev/zero"])
def test_a_split_file_that_no_file_can_be_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="there is no such file"):
        draw_splits(STUDY, CohortSettings(split_file=name))
