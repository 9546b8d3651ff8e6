"""A user's cohort has other sequences, and label maps in place of CT."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from t1t2core.cohort.bids import read_bids
from t1t2core.cohort.manifest import read_manifest
from t1t2core.cohort.scan import read_labels, scan_defects
from t1t2core.errors import InputError
from t1t2core.settings import CohortSettings
from t1t2core.settings.classes import IGNORED, Classes, ClassRule
from tests.builders.bids import add, scans

TWO = {"head": ClassRule(value=1), "outside": ClassRule(value=0)}
TO_FLAIR = CohortSettings(target="FLAIR")
LABELLED = CohortSettings(target="FLAIR", classes=TWO)


def refusal(root: Path, settings: CohortSettings) -> str:
    with pytest.raises(InputError) as caught:
        read_bids(root, settings)
    return str(caught.value)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return add(
        tmp_path / "heads",
        *scans("sub-01", "T1w", "T2w", "FLAIR", "ct"),
        *scans("sub-02", "T1w", "ct"),
        *scans("sub-03", "FLAIR", "ct"),
    )


def test_source_and_target_are_any_suffix(root: Path) -> None:
    cohort = read_bids(root, TO_FLAIR)
    assert [subject.name for subject in cohort.subjects] == ["sub-01", "sub-02"]
    assert cohort.left_out == {"sub-03": "no T1w"}
    assert [path.name for path in cohort.subjects[0].scans.values()] == [
        *("sub-01_T1w.nii.gz", "sub-01_FLAIR.nii.gz", "sub-01_ct.nii.gz")
    ]
    turned = read_bids(root, CohortSettings(source="FLAIR", target="T1w"))
    assert [(one.name, one.t2w is not None) for one in turned.subjects] == [
        ("sub-01", True),
        ("sub-03", False),
    ]


def test_a_suffix_that_nobody_has_is_told_with_those_that_there_are(root: Path) -> None:
    told = refusal(root, CohortSettings(target="PDw"))
    assert "none of 2 subjects has a PDw scan (anat/*_PDw.nii.gz)" in told
    assert "there are FLAIR (2), T1w (2), T2w (1), ct (3)" in told


def test_label_maps_lie_beside_the_scans_or_in_a_derivative(root: Path) -> None:
    add(root, "sub-01/anat/sub-01_dseg.nii.gz", "sub-01/anat/sub-01_space-FLAIR_dseg.nii.gz")
    add(root, "derivatives/mine/sub-02/anat/sub-02_space-T1w_desc-checked_dseg.nii.gz")
    one, two = read_bids(root, LABELLED).subjects
    assert (one.labels_t1w, one.ct) == (root / "sub-01/anat/sub-01_dseg.nii.gz", None)
    assert one.labels_t2w == root / "sub-01/anat/sub-01_space-FLAIR_dseg.nii.gz"
    assert two.labels_t1w is not None
    elsewhere = add(root.parent / "labels", "sub-01/anat/sub-01_space-T1w_dseg.nii")
    told = refusal(root, CohortSettings(target="FLAIR", classes=TWO, labels=str(elsewhere)))
    assert "sub-02: no label map (*_dseg.nii.gz or *_space-T1w_dseg.nii.gz)" in told
    assert "sub-01:" not in told


def test_several_label_maps_and_none_are_told(root: Path) -> None:
    add(root, *(f"derivatives/mine/sub-01/anat/sub-01_space-T1w_desc-{who}_dseg.nii" for who in ("a", "b")))
    told = refusal(root, LABELLED)
    assert "sub-01: several label maps for T1w, one is expected" in told
    assert "sub-02: no label map" in told
    missing = CohortSettings(target="FLAIR", classes=TWO, labels=str(root / "nowhere"))
    assert "is no folder of label maps" in refusal(root, missing)


def test_where_there_is_a_ct_it_tells_the_classes_of_the_study(root: Path) -> None:
    add(root, "sub-01/anat/sub-01_dseg.nii.gz")
    subject = read_bids(root, CohortSettings(exclude=("sub-03",))).subjects[0]
    assert (subject.labels_t1w, subject.ct) == (None, root / "sub-01/ct/sub-01_ct.nii.gz")
    assert "cohort.source or target is CT" in refusal(root, CohortSettings(source="CT", target="T1w"))


def test_columns_of_a_table_are_named_as_the_sequences(tmp_path: Path) -> None:
    for name in ("a.nii", "b.nii", "la.nii", "lb.nii"):
        (tmp_path / name).touch()
    table = tmp_path / "heads.csv"
    table.write_text("subject,t1w,flair,labels_t1w,labels_flair\np1,a.nii,b.nii,la.nii,lb.nii\n")
    (subject,) = read_manifest(table, LABELLED).subjects
    assert (subject.t2w, subject.labels_t2w) == (tmp_path / "b.nii", tmp_path / "lb.nii")
    table.write_text("subject,t1w,flair,labels_t1w\np1,a.nii,b.nii,la.nii\n")
    with pytest.raises(InputError, match=r"line 2 \(p1\): has flair but no labels_flair"):
        read_manifest(table, LABELLED)
    table.write_text("subject,t1w,t2w,ct\np1,a.nii,b.nii,la.nii\n")
    with pytest.raises(InputError, match="column 'flair' is missing"):
        read_manifest(table, TO_FLAIR)


def test_values_that_no_class_has_are_refused_by_name_unless_the_settings_say_what_they_are(
    tmp_path: Path,
) -> None:
    voxels = np.zeros((20, 20, 20), np.int16)
    voxels[5:15, 5:15, 5:15] = 1
    voxels[8:10] = 700
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing((8.0, 8.0, 8.0))
    sitk.WriteImage(image, str(tmp_path / "map.nii"))
    path = tmp_path / "map.nii"
    (defect,) = scan_defects(path, "labels_t1w", Classes.of(TWO))
    assert "a label map has 0 (outside) and 1 (head) only" in defect
    assert defect.endswith("; found 700")
    ignored, joined = (
        sitk.GetArrayFromImage(read_labels(path, Classes.of(TWO, others=others)))
        for others in ("ignore", "head")
    )
    assert (ignored[8:10] == IGNORED).all()
    assert (joined[8:10] == 1).all()
    np.testing.assert_array_equal(ignored[:8], voxels[:8])
