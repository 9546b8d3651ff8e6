"""A researcher looks at a whole cohort before anything is spent; one bad subject does not hide the others."""

import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from t1t2core.cohort.read import read_cohort
from t1t2core.errors import InputError
from t1t2core.preparation.survey import Survey, survey_cohort
from t1t2core.settings import CohortSettings, Settings
from t1t2core.settings.classes import ClassRule
from tests.builders.parts import OWN_VOXELS, PARTS, SHAPE, save, write_parts


def look(folder: Path, cohort: CohortSettings = PARTS) -> Survey:
    return survey_cohort(partial(read_cohort, folder), Settings(cohort=cohort, preparation=OWN_VOXELS))


def test_a_sound_cohort(tmp_path: Path) -> None:
    found = look(write_parts(tmp_path))
    assert (found.findings, found.problems, found.exclude_line) == ({}, [], "")
    assert [subject.name for subject in found.cohort.subjects] == sorted(found.prepared)
    assert len(found.splits) == 3
    assert all(subject.volumes_ml["T2"]["lesion"] > 0 for subject in found.prepared.values())


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    write_parts(tmp_path, range(1, 9))
    shutil.copy(tmp_path / "sub-01/anat/sub-01_T1w.nii.gz", tmp_path / "sub-01/anat/sub-01_acq-2_T1w.nii.gz")
    save(tmp_path / "sub-02/anat/sub-02_T2w.nii.gz", np.full(SHAPE, np.nan, np.float32))
    save(tmp_path / "sub-03/anat/sub-03_space-T2w_dseg.nii.gz", np.full(SHAPE, 7, np.uint8))
    shutil.copy(tmp_path / "sub-05/anat/sub-05_T1w.nii.gz", tmp_path / "sub-04/anat/sub-04_T1w.nii.gz")
    found = look(tmp_path)
    assert {name: len(told) for name, told in found.findings.items()} == {
        "sub-01": 1,
        "sub-02": 1,
        "sub-03": 1,
        "sub-05": 1,
    }
    assert "T1w: several scans" in found.findings["sub-01"][0]
    assert "NaN or infinite" in found.findings["sub-02"][0]
    assert "found 7" in found.findings["sub-03"][0]
    assert "the same image as t1w of sub-04" in found.findings["sub-05"][0]
    assert found.exclude_line == "cohort: {exclude: [sub-01, sub-02, sub-03, sub-05]}"
    assert [subject.name for subject in found.cohort.subjects] == ["sub-04", "sub-06", "sub-07", "sub-08"]
    assert (found.problems, len(found.splits)) == ([], 3)


def test_who_is_left_may_be_too_few(tmp_path: Path) -> None:
    write_parts(tmp_path, range(1, 4))
    save(tmp_path / "sub-02/anat/sub-02_T1w.nii.gz", np.zeros(SHAPE, np.float32))
    found = look(tmp_path)
    assert list(found.findings) == ["sub-02"]
    (problem,) = found.problems
    assert "at least 3 with T2w are needed" in problem


def test_a_class_that_nobody_has(tmp_path: Path) -> None:
    write_parts(tmp_path)
    assert PARTS.classes is not None
    classes = {**PARTS.classes, "oedema": ClassRule(value=5)}
    (problem,) = look(tmp_path, CohortSettings(classes=classes, background="background")).problems
    assert "oedema" in problem


def test_there_is_no_cohort(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such cohort"):
        look(tmp_path / "nowhere")
