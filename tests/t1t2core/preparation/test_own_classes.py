"""Label maps of a user's own classes become volumes: of whole heads, of parts, and of another scan."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from t1t2core.cohort.phantom import write_phantom
from t1t2core.cohort.phantom_signal import CLASSES
from t1t2core.cohort.read import read_cohort
from t1t2core.cohort.subject import Cohort
from t1t2core.errors import InputError
from t1t2core.preparation.cohort import check_classes
from t1t2core.preparation.prepare import PreparedSubject, load_prepared, prepare_subject, save_prepared
from t1t2core.settings import CohortSettings, PreparationSettings
from t1t2core.settings.classes import IGNORED, ClassRule

SMALL = PreparationSettings(grid=(48, 64, 32), voxel_mm=(4.0, 4.0, 4.5))
SIX = CohortSettings(
    target="FLAIR",
    classes={name: ClassRule(value=value) for value, name in enumerate(CLASSES)},
    background="air",
)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    folder = tmp_path_factory.mktemp("heads") / "phantom"
    write_phantom(folder, subjects=1, with_t2w=1, voxel_mm=3.0, labelled=True)
    return read_cohort(folder, SIX)


@pytest.fixture(scope="module")
def prepared(cohort: Cohort) -> PreparedSubject:
    return prepare_subject(cohort.subjects[0], SMALL)


def test_six_tissues_of_a_whole_head(prepared: PreparedSubject, tmp_path: Path) -> None:
    assert all(one.ok and one.method == "given" for one in prepared.alignment.values())
    volumes = prepared.volumes_ml["T2"]
    assert list(volumes)[:6] == [*CLASSES[1:], "internal_air"]
    assert 900 < volumes["grey_matter"] + volumes["white_matter"] < 2000
    save_prepared(prepared, tmp_path / "one.safetensors")
    again = load_prepared(tmp_path / "one.safetensors")
    assert again.t2 is not None
    assert again.t2.classes == SIX.told_apart


def test_a_map_of_one_scan_is_brought_over_to_the_other_by_registration(
    cohort: Cohort, prepared: PreparedSubject
) -> None:
    moved = prepare_subject(replace(cohort.subjects[0], labels_t2w=None), SMALL)
    assert moved.alignment["T2"].method == "rigid"
    assert moved.alignment["T2"].ok, moved.alignment["T2"].reason
    assert prepared.t2 is not None
    assert moved.t2 is not None
    known = (moved.t2.labels != IGNORED) & (prepared.t2.labels != IGNORED)
    # The same head at other voxels: folds of the cortex differ, large structures do not.
    assert np.mean(moved.t2.labels[known] == prepared.t2.labels[known]) > 0.88
    bone = [scan.labels == CLASSES.index("bone") for scan in (moved.t2, prepared.t2)]
    assert 2 * (bone[0] & bone[1]).sum() / (bone[0].sum() + bone[1].sum()) > 0.8


def test_labels_of_parts_of_the_head_are_taken_as_they_lie_and_said_to_be_unjudged(
    cohort: Cohort, tmp_path: Path
) -> None:
    subject = cohort.subjects[0]
    assert subject.labels_t1w is not None
    whole = sitk.ReadImage(str(subject.labels_t1w))
    sitk.WriteImage(sitk.Cast(whole == CLASSES.index("csf"), sitk.sitkUInt8), str(tmp_path / "csf.nii.gz"))
    classes = {"csf": ClassRule(value=1), "rest": ClassRule(value=0)}
    own = replace(
        subject,
        t2w=None,
        labels_t1w=tmp_path / "csf.nii.gz",
        labels_t2w=None,
        classes=CohortSettings(classes=classes).told_apart,
    )
    found = prepare_subject(own, SMALL)
    assert found.alignment["T1"].ok
    assert any("marks parts of the head only" in warning for warning in found.warnings)
    assert found.t1.whole.hull.sum() > 5 * (found.t1.whole.labels == 1).sum()


def test_a_class_without_any_voxel_is_refused(cohort: Cohort, prepared: PreparedSubject) -> None:
    volumes = {cohort.subjects[0].name: prepared}
    check_classes(cohort, volumes, {("fold 1", "T1"): list(volumes)})
    with pytest.raises(InputError, match=r"fold 1: no voxel of the FLAIR scans of .* is air or soft_tissue"):
        check_classes(cohort, volumes, {("fold 1", "T2"): []})
    classes = SIX.told_apart
    more = replace(classes, names=(*classes.names, "tumour"), order=(*classes.order, "tumour"))
    with pytest.raises(InputError, match=r"no voxel of .* is tumour: mend cohort.classes"):
        check_classes(replace(cohort, classes=more), volumes, {})
