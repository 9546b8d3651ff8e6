"""Volumes are prepared once, whoever asks for them, and never used where the CT does not fit."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from ablation.store.storage import Storage
from ablation.store.volumes import prepare_cohort
from t1t2core.cohort.read import read_cohort
from t1t2core.cohort.subject import Cohort
from t1t2core.errors import InputError
from t1t2core.settings import CohortSettings, PreparationSettings

SETTINGS = PreparationSettings(grid=(16, 24, 16), voxel_mm=(11.0, 10.0, 11.0))
UNREGISTERED = replace(SETTINGS, registration="none")


@dataclass
class Counter:
    """How many subjects were prepared."""

    calls: list[tuple[int, int]] = field(default_factory=list)

    def __call__(self, done: int, total: int) -> None:
        self.calls.append((done, total))


@pytest.fixture(scope="module")
def cohort(tiny_heads: Path) -> Cohort:
    """Two heads with T2w."""
    whole = read_cohort(tiny_heads, CohortSettings())
    return replace(whole, subjects=whole.with_t2w[:2])


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory, cohort: Cohort) -> Storage:
    """Holds the volumes of both heads."""
    storage, counter = Storage(str(tmp_path_factory.mktemp("volumes"))), Counter()
    prepare_cohort(cohort, SETTINGS, storage, counter)
    assert counter.calls == [(1, 2), (2, 2)]
    return storage


def test_volumes_come_by_name_in_the_size_asked_for(cohort: Cohort, storage: Storage) -> None:
    prepared = prepare_cohort(cohort, SETTINGS, storage, Counter())
    assert list(prepared) == [subject.name for subject in cohort.subjects]
    for subject in prepared.values():
        for sequence in ("T1", "T2"):
            scan = subject.scan(sequence)
            assert scan.image.shape == scan.labels.shape == SETTINGS.grid
            assert set(np.unique(scan.labels)) >= {0, 1, 2}
            assert subject.alignment[sequence].ok


def test_what_is_in_storage_is_not_prepared_again(cohort: Cohort, storage: Storage) -> None:
    counter = Counter()
    prepare_cohort(cohort, SETTINGS, Storage(storage.address), counter)
    assert counter.calls == []


def test_a_subject_under_another_name_has_the_volumes_of_its_scans(cohort: Cohort, storage: Storage) -> None:
    renamed = replace(cohort, subjects=tuple(replace(s, name=f"new-{s.name}") for s in cohort.subjects))
    counter = Counter()
    prepared = prepare_cohort(renamed, SETTINGS, storage, counter)
    assert counter.calls == []
    assert list(prepared) == [f"new-{s.name}" for s in cohort.subjects]
    original = prepare_cohort(cohort, SETTINGS, storage, Counter())
    for subject in cohort.subjects:
        np.testing.assert_array_equal(
            prepared[f"new-{subject.name}"].t1.image, original[subject.name].t1.image
        )


@pytest.fixture(scope="module")
def unregistered(storage: Storage, cohort: Cohort) -> Callable[[Cohort], str]:
    """What is said of a cohort whose CTs are taken to lie where they do not."""

    def refuse(cohort: Cohort) -> str:
        with pytest.raises(InputError) as caught:
            prepare_cohort(cohort, UNREGISTERED, storage, Counter())
        return str(caught.value)

    refuse(cohort)
    return refuse


def test_subjects_whose_ct_does_not_fit_are_all_named_with_the_way_out(
    cohort: Cohort, unregistered: Callable[[Cohort], str]
) -> None:
    names = [subject.name for subject in cohort.subjects]
    message = unregistered(cohort)
    assert f"the CT or label map of 2 of 2 subjects of {cohort.name} does not lie on their MR" in message
    assert f"`cohort: {{exclude: [{', '.join(names)}]}}`" in message
    for name in names:
        assert f"{name}, CT onto T1w: " in message


def test_they_are_named_as_this_cohort_names_them(
    cohort: Cohort, unregistered: Callable[[Cohort], str]
) -> None:
    renamed = replace(
        cohort, subjects=tuple(replace(s, name=f"sub-new{s.name[-2:]}") for s in cohort.subjects)
    )
    message = unregistered(renamed)
    for subject in renamed.subjects:
        assert f"{subject.name}, CT onto T1w: " in message


def test_a_patient_who_was_saved_anew_under_another_name_is_refused(
    cohort: Cohort, tmp_path: Path, storage: Storage
) -> None:
    """As float32, with other grey levels, moved: no voxel and no header is the same."""
    first = cohort.subjects[0]
    scan = sitk.ReadImage(str(first.t1w), sitk.sitkFloat32) * 1.7 + 3
    scan.SetOrigin([at + 9.5 for at in scan.GetOrigin()])
    sitk.WriteImage(scan, str(tmp_path / "t1.mha"))
    copy = replace(first, name="zz", t1w=tmp_path / "t1.mha", t2w=None)
    with pytest.raises(InputError, match=f"zz: its T1w scan is that of {first.name}, saved anew") as refusal:
        prepare_cohort(replace(cohort, subjects=(*cohort.subjects, copy)), SETTINGS, storage, Counter())
    assert 'cohort: {exclude: ["zz"]}' in str(refusal.value)
