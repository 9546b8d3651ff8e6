"""A test patient's changed scan meets the network as any scan does, and is scored against the same truth."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from ablation.store.storage import Storage
from ablation.store.volumes import prepare_cohort
from t1t2core.cohort.read import read_cohort
from t1t2core.cohort.roles import FoldSplit, Roles
from t1t2core.cohort.scan import read_scan
from t1t2core.cohort.subject import Cohort, Subject
from t1t2core.evaluation.robustness import TestPatient, TestScan, scale
from t1t2core.network.base import Network
from t1t2core.preparation.grid import to_ras
from t1t2core.preparation.prepare import PreparedSubject, prepare_subject
from t1t2core.settings import CohortSettings, EvaluationSettings, PreparationSettings, Settings
from t1t2core.settings.classes import IGNORED
from t1t2core.strategies import Factors
from t1t2core.trial import make_experiment, trained_network
from tests.builders.experiments import run
from tests.builders.heads import FLOAT32, TINY, make_training

PREPARATION = PreparationSettings(grid=(16, 24, 16), voxel_mm=(11.0, 10.0, 11.0))
"""That of the smoke space: its volumes are there."""
PATCH = (16, 24, 16)
TRAINING = make_training(patch=PATCH, stride=PATCH, max_epochs=3)
SETTINGS = Settings(preparation=PREPARATION, network=TINY, training=TRAINING, pretraining=TRAINING)


@pytest.fixture(scope="module")
def cohort(tiny_heads: Path) -> Cohort:
    return read_cohort(tiny_heads, CohortSettings())


@pytest.fixture(scope="module")
def prepared(cohort: Cohort, prepared_heads: Path) -> dict[str, PreparedSubject]:
    return prepare_cohort(cohort, PREPARATION, Storage(str(prepared_heads)), lambda *_: None)


@pytest.fixture(scope="module")
def patient(cohort: Cohort, prepared: dict[str, PreparedSubject]) -> TestPatient:
    return patient_of(cohort.with_t2w[-1], prepared)


def patient_of(subject: Subject, prepared: dict[str, PreparedSubject]) -> TestPatient:
    alignment = prepared[subject.name].alignment["T2"]
    return TestPatient(subject, "T2", alignment, PREPARATION, EvaluationSettings())


def scan_of(patient: TestPatient, kind: str, level: int) -> TestScan:
    scan = patient.scan(kind, level)
    assert scan is not None
    return scan


def test_as_it_is_a_scan_and_its_truth_are_those_that_were_prepared(
    cohort: Cohort, prepared: dict[str, PreparedSubject], patient: TestPatient
) -> None:
    """To the bit, from the recorded alignment, without another registration."""
    recorded = prepared[cohort.with_t2w[-1].name].t2
    assert recorded is not None
    found = scan_of(patient, "noise", 0).scan
    for name in ("image", "labels", "hull", "affine"):
        assert np.array_equal(getattr(found, name), getattr(recorded, name)), name
        assert np.array_equal(getattr(found.whole, name), getattr(recorded.whole, name)), name


def test_a_label_map_in_place_of_ct_is_a_truth_too(
    cohort: Cohort, prepared: dict[str, PreparedSubject], tmp_path: Path
) -> None:
    subject = cohort.with_t2w[-1]
    assert subject.t2w is not None
    scan = to_ras(read_scan(subject.t2w))
    whole = prepared[subject.name].scan("T2").whole
    known = np.where(whole.labels == IGNORED, 0, whole.labels)
    assert set(np.unique(known)) == {0, 1, 2}
    coarse = sitk.GetImageFromArray(known.transpose(2, 1, 0))
    spacing = np.linalg.norm(whole.affine[:3, :3], axis=0)
    coarse.SetSpacing(spacing.tolist())
    lps = np.diag([-1.0, -1.0, 1.0])
    coarse.SetDirection((lps @ whole.affine[:3, :3] / spacing).ravel().tolist())
    coarse.SetOrigin((lps @ whole.affine[:3, 3]).tolist())
    labels = sitk.Resample(coarse, scan, sitk.Transform(), sitk.sitkNearestNeighbor, 0)
    paths = [tmp_path / f"{name}.nii.gz" for name in ("T1", "T2")]
    for path in paths:
        sitk.WriteImage(labels, path)
    mapped = replace(subject, t1w=subject.t2w, ct=None, labels_t1w=paths[0], labels_t2w=paths[1])
    recorded = prepare_subject(mapped, PREPARATION)
    found = scan_of(patient_of(mapped, {mapped.name: recorded}), "noise", 0).scan
    assert np.array_equal(found.labels, recorded.scan("T2").labels)


def test_level_0_gives_the_scores_of_the_trial_itself(
    cohort: Cohort, prepared: dict[str, PreparedSubject]
) -> None:
    first, second, third, last = (subject.name for subject in cohort.with_t2w)
    split = FoldSplit(1, t1=Roles((first,), (), ()), t2=Roles((first, second), (third,), (last,)))
    factors = Factors(strategy="scratch", t2_train_size=2, learning_rate=1e-2, seed=0)
    outcome = run(make_experiment(factors, split, prepared, SETTINGS, pretrained=None, compute=FLOAT32))
    (recorded,) = (
        score.counts
        for score in outcome.scores
        if (score.split, score.weights, score.region) == ("test", "best", "box")
    )
    network = trained_network(factors, outcome, SETTINGS)
    patient = patient_of(cohort.with_t2w[-1], prepared)
    assert count(patient, network, "noise", 0) == recorded
    assert count(patient, network, "noise", 3) != recorded


def count(patient: TestPatient, network: Network, kind: str, level: int) -> object:
    return scan_of(patient, kind, level).count(network, SETTINGS.training, FLOAT32)


def test_what_changes_intensities_alone_leaves_the_truth(patient: TestPatient) -> None:
    before = scan_of(patient, "noise", 0).scan
    for kind in ("gamma_above_1", "bias_field", "noise"):
        after = scan_of(patient, kind, 2).scan
        assert not np.array_equal(after.image, before.image)
        if np.array_equal(after.affine, before.affine):  # the head found may lie a little elsewhere
            assert np.array_equal(after.labels, before.labels)


def test_what_a_cut_scan_does_not_show_is_not_scored(patient: TestPatient) -> None:
    whole, cut = (scan_of(patient, "cut_in_plane", level).scan for level in (0, 3))
    known = [int((scan.labels != IGNORED).sum()) for scan in (whole, cut)]
    assert known[1] < known[0]


def test_a_change_that_does_not_apply_gives_no_scan(patient: TestPatient) -> None:
    """These heads have slices of 4 mm."""
    assert scale()["slice_thickness"][1][0] == 4.0
    assert patient.scan("slice_thickness", 1) is None
