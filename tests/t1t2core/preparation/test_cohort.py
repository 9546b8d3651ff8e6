"""A cohort is prepared in memory, and refused where it would spoil a study."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from t1t2core.cohort.read import read_cohort
from t1t2core.cohort.subject import Cohort
from t1t2core.errors import InputError
from t1t2core.preparation.cohort import check_prepared, prepare_cohort
from t1t2core.preparation.prepare import PreparedSubject
from t1t2core.settings import CohortSettings, PreparationSettings
from tests.builders.heads import make_subjects

SETTINGS = PreparationSettings(grid=(16, 24, 16), voxel_mm=(11.0, 10.0, 11.0))


@pytest.fixture(scope="module")
def cohort(tiny_heads: Path) -> Cohort:
    """Two heads with T2w."""
    whole = read_cohort(tiny_heads, CohortSettings())
    return replace(whole, subjects=whole.with_t2w[:2])


def refusal(cohort: Cohort, prepared: dict[str, PreparedSubject]) -> str:
    with pytest.raises(InputError) as caught:
        check_prepared(cohort, prepared.values())
    return str(caught.value)


def test_volumes_come_by_name_in_the_size_asked_for(cohort: Cohort) -> None:
    prepared = prepare_cohort(cohort, SETTINGS)
    assert list(prepared) == [subject.name for subject in cohort.subjects]
    for subject in prepared.values():
        assert subject.t1.image.shape == subject.scan("T2").labels.shape == SETTINGS.grid
        assert set(np.unique(subject.t1.labels)) >= {0, 1, 2}


def test_a_ct_that_does_not_lie_on_its_mr_is_named_with_the_way_out(cohort: Cohort) -> None:
    prepared = make_subjects(3)
    bad = replace(prepared["P02"].alignment["T1"], ok=False, reason="it is another head's")
    prepared["P02"] = replace(prepared["P02"], alignment={"T1": bad})
    message = refusal(cohort, prepared)
    assert "P02, CT onto T1w: it is another head's" in message
    assert "exclude" in message


def test_a_subject_under_two_names_is_named(cohort: Cohort) -> None:
    prepared = make_subjects(3)
    prepared["P04"] = replace(prepared["P01"], name="P04")
    assert "P04: its T1w scan is that of P01, saved anew" in refusal(cohort, prepared)
