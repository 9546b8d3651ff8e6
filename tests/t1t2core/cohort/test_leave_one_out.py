"""Each fold tests the patients of one site, and nothing in it has seen that site."""

from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError

from t1t2core.cohort.roles import FoldSplit
from t1t2core.cohort.split import check_request, draw_splits, held_out
from t1t2core.cohort.subject import Cohort, Subject
from t1t2core.errors import InputError
from t1t2core.settings import CohortSettings

NOWHERE = Path("scan.nii")
BY_SITE = CohortSettings(leave_one_out="site")
SITES = {"Bern": (5, 3), "Doha": (4, 2), "Graz": (5, 4)}
"""Patients with T2w, and those without."""


def cohort_of(sites: dict[str, tuple[int, int]]) -> Cohort:
    subjects = [
        Subject(
            name=f"{site}-{number}",
            t1w=NOWHERE,
            t2w=NOWHERE if number < with_t2w else None,
            ct=NOWHERE,
            characteristics={"site": site, "sex": "F"},
        )
        for site, (with_t2w, without) in sites.items()
        for number in range(with_t2w + without)
    ]
    return Cohort(name="heads", subjects=tuple(subjects))


STUDY = cohort_of(SITES)


def seen(split: FoldSplit) -> set[str]:
    """Sites of all who train or validate, in either sequence."""
    roles = (split.t1.training, split.t1.validation, split.t2.training, split.t2.validation)
    return {name.partition("-")[0] for part in roles for name in part}


@pytest.mark.parametrize("overlap", ["test_disjoint", "strict"])
def test_a_fold_tests_a_site_that_nothing_in_it_has_seen(overlap: str) -> None:
    splits = draw_splits(STUDY, replace(BY_SITE, overlap=overlap))
    assert [split.fold for split in splits] == [1, 2, 3]
    for split, site in zip(splits, SITES, strict=True):
        assert sorted(split.t2.test) == [f"{site}-{number}" for number in range(SITES[site][0])]
        assert seen(split) == set(SITES) - {site}
        everybody = {*split.t1.training, *split.t1.validation, *split.t1.test}
        assert everybody == {subject.name for subject in STUDY.subjects}


def test_every_patient_is_tested_once_and_validation_takes_turns() -> None:
    splits = draw_splits(STUDY, BY_SITE)
    tested = [name for split in splits for name in split.t2.test]
    assert sorted(tested) == sorted(subject.name for subject in STUDY.with_t2w)
    assert len({split.t2.validation for split in splits}) == 3
    assert [len(split.t2.validation) for split in splits] == [3, 3, 3]
    assert splits == draw_splits(STUDY, BY_SITE)


def test_numbers_are_in_their_own_order_and_a_site_without_t2w_has_no_fold() -> None:
    cohort = cohort_of({"10": (3, 0), "9": (3, 0), "11": (0, 2)})
    assert list(held_out(cohort, BY_SITE)) == ["9", "10"]
    assert len(draw_splits(cohort, BY_SITE)) == 2


def test_a_column_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(
        InputError, match=r"'sites' is no column of heads: there are site, sex; did you mean 'site'"
    ):
        draw_splits(STUDY, replace(BY_SITE, leave_one_out="sites"))
    bare = replace(STUDY, subjects=tuple(replace(one, characteristics={}) for one in STUDY.subjects))
    with pytest.raises(InputError, match="nothing is known of its patients"):
        draw_splits(bare, BY_SITE)


def test_patients_of_an_unknown_site_are_named() -> None:
    """They may be of the site that is tested."""
    first, *others = STUDY.subjects
    cohort = replace(STUDY, subjects=(replace(first, characteristics={"sex": "M"}), *others))
    with pytest.raises(
        InputError, match=r'site is not known of Bern-0, .* `cohort: \{exclude: \["Bern-0"\]\}`'
    ):
        draw_splits(cohort, BY_SITE)


def test_one_value_or_too_few_others_cannot_be_tested() -> None:
    with pytest.raises(
        InputError, match="all patients with T2w have the sex 'F': there is nothing to leave out"
    ):
        draw_splits(STUDY, replace(BY_SITE, leave_one_out="sex"))
    with pytest.raises(
        InputError, match="without 'Bern', too few T2w patients are left to train and to validate"
    ):
        draw_splits(cohort_of({"Bern": (5, 3), "Doha": (1, 9)}), BY_SITE)


def test_fewer_sites_than_folds_are_told_with_what_each_tests() -> None:
    tested = held_out(STUDY, BY_SITE)
    with pytest.raises(
        InputError, match=r"3 folds 1..3 \(1 tests Bern, 2 tests Doha, 3 tests Graz\); found folds 4"
    ):
        check_request(draw_splits(STUDY, BY_SITE), [1, 2, 3, 4], [4], tested=tested)


@pytest.mark.parametrize(
    "other", [{"test_patients": "rotated"}, {"split_file": "mine.csv"}, {"overlap": "as_published"}]
)
def test_it_goes_with_no_other_rule_for_the_test_patients(other: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="leave_one_out settles who is tested: it goes with no"):
        CohortSettings(leave_one_out="site", **other)  # type: ignore[arg-type]
