"""Labels lie on the scan, whatever its orientation, and are those that the network gave."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
import torch
from torch import Tensor

from t1t2core.cohort.scan import read_scan
from t1t2core.evaluation.inference import Predictor
from t1t2core.evaluation.labelling import label_scan, most_probable, write_labels
from t1t2core.evaluation.whole import class_probabilities
from t1t2core.network.base import Network
from t1t2core.network.segmenter import Segmenter
from t1t2core.network.stage import ClassifierStage, Features
from t1t2core.preparation.grid import affine, resample, to_array, to_ras
from t1t2core.preparation.head import mr_head
from t1t2core.preparation.patches import patch_starts
from t1t2core.preparation.prepare import prepare_image
from t1t2core.training.patch_set import PatchSet
from tests.builders.heads import FLOAT32, TINY
from tests.builders.records import SMALL

PREPARATION, TRAINING = SMALL.preparation, SMALL.training


class Thresholds(Network):
    """Three classes by intensity alone, so that every voxel's label can be foretold."""

    frozen_chains, has_trained_part, stages = [[]], False, []  # type: ignore[assignment]

    def __init__(self, middle: float = 0.0) -> None:
        super().__init__()
        self.middle = middle

    def classifier(self) -> ClassifierStage:
        raise AssertionError("labelling has no use for it")

    def combine_frozen(self, image: Tensor, outputs: list[Features]) -> Features:
        return outputs[0]

    def run_trained(self, features: Features) -> Tensor:
        x = features.values - self.middle
        return 20 * torch.cat([-x - 0.3, torch.zeros_like(x), x - 0.3], dim=1)

    def trained_state(self) -> dict[str, Tensor]:
        return {}


def label(scan: sitk.Image, *networks: Network) -> sitk.Image:
    return label_scan(scan, networks or [Thresholds()], PREPARATION, TRAINING, FLOAT32)


def probabilities_of(scan: sitk.Image, *networks: Network) -> np.ndarray:
    prepared = prepare_image(scan, PREPARATION)
    return class_probabilities(prepared, PREPARATION.grid, networks, TRAINING, FLOAT32)


@pytest.fixture(scope="module")
def scan(tiny_heads: Path) -> sitk.Image:
    return read_scan(sorted(tiny_heads.glob("sub-*/anat/*_T2w.nii.gz"))[0])


def test_every_voxel_of_the_scan_has_a_label(scan: sitk.Image) -> None:
    labels = label(scan)
    assert labels.GetPixelID() == sitk.sitkUInt8
    assert labels.GetSize() == scan.GetSize()
    assert set(np.unique(to_array(labels))) == {0, 1, 2}


def test_on_the_networks_own_voxels_labels_are_those_of_the_prepared_scan(scan: sitk.Image) -> None:
    prepared = prepare_image(scan, PREPARATION)
    box = sitk.RegionOfInterest(prepared.grid, PREPARATION.grid, prepared.start)
    coarse = resample(to_ras(scan), box)
    direct = probabilities_of(coarse, Thresholds()).argmax(axis=0)
    assert direct.shape == PREPARATION.grid
    assert np.array_equal(to_array(label(coarse)), direct)


def test_labels_of_turned_scans_agree_in_the_world(scan: sitk.Image) -> None:
    straight = label(scan)
    for turned in (
        sitk.Flip(scan, [True, False, False]),
        sitk.Flip(scan, [True, True, True]),
        sitk.PermuteAxes(scan, [2, 0, 1]),
    ):
        labels = label(turned)
        assert np.allclose(affine(labels), affine(turned))
        again = sitk.Resample(labels, straight, sitk.Transform(), sitk.sitkNearestNeighbor)
        assert np.array_equal(to_array(again), to_array(straight))


def test_labels_of_an_oblique_scan_lie_on_the_same_head(scan: sitk.Image) -> None:
    """The same head, scanned along axes that are turned by 20 degrees."""
    centre = scan.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in scan.GetSize()])
    turn = sitk.Euler3DTransform(centre, 0.2, 0.3, 0.1)
    oblique = sitk.Image(scan.GetSize(), sitk.sitkFloat32)
    oblique.SetSpacing(scan.GetSpacing())
    matrix = np.reshape(turn.GetMatrix(), (3, 3)) @ np.reshape(scan.GetDirection(), (3, 3))
    oblique.SetDirection(matrix.ravel().tolist())
    oblique.SetOrigin(turn.TransformPoint(scan.GetOrigin()))
    oblique = sitk.Resample(scan, oblique, sitk.Transform(), sitk.sitkLinear, 0.0, sitk.sitkFloat32)
    again = sitk.Resample(label(oblique), scan, sitk.Transform(), sitk.sitkNearestNeighbor)
    head = to_array(sitk.Resample(mr_head(to_ras(scan)), scan)) > 0
    seen = head & (to_array(sitk.Resample(oblique + 1.0, scan)) > 0)
    agreement = (to_array(again) == to_array(label(scan)))[seen].mean()
    mirrored = (to_array(sitk.Flip(again, [True, False, False])) == to_array(label(scan)))[seen].mean()
    assert agreement > 0.7 > 0.6 > mirrored


def test_in_the_box_they_are_what_was_scored(scan: sitk.Image) -> None:
    segmenter = Segmenter(TINY, seed=1)
    whole = prepare_image(scan, PREPARATION)
    where = tuple(slice(a, a + n) for a, n in zip(whole.start, PREPARATION.grid, strict=True))
    box = torch.from_numpy(whole.image[where])
    starts = patch_starts(PREPARATION.grid, TRAINING.patch, TRAINING.stride)
    patches = PatchSet((box,), (), (box,), tuple((0, *start) for start in starts), TRAINING.patch, ())
    (scored,) = Predictor(segmenter, patches, FLOAT32).probabilities()
    assert whole.image.shape != PREPARATION.grid
    np.testing.assert_allclose(probabilities_of(scan, segmenter)[(slice(None), *where)], scored, atol=1e-6)


def test_around_the_head_there_is_air(scan: sitk.Image) -> None:
    always_bone = Thresholds(middle=-100.0)
    probabilities = probabilities_of(scan, always_bone)
    whole = prepare_image(scan, PREPARATION)
    outside = np.ones(whole.image.shape, bool)
    outside[tuple(slice(a, a + n) for a, n in zip(whole.start, PREPARATION.grid, strict=True))] = False
    assert not np.isnan(probabilities).any()
    assert (probabilities.argmax(axis=0)[outside & ~whole.head] == 0).any()
    assert (probabilities.argmax(axis=0)[whole.head] == 2).all()


def test_several_networks_decide_by_their_mean_probability(scan: sitk.Image) -> None:
    networks = [Thresholds(-0.2), Thresholds(0.1), Thresholds(0.3)]
    alone = [probabilities_of(scan, network) for network in networks]
    np.testing.assert_allclose(probabilities_of(scan, *networks), np.mean(alone, axis=0), atol=1e-6)


def test_borders_between_tissues_are_interpolated() -> None:
    grid = sitk.Image(2, 2, 2, sitk.sitkUInt8)
    grid.SetSpacing((4.0, 4.0, 4.0))
    fine = sitk.Image(5, 2, 2, sitk.sitkFloat32)
    along_x = np.array([[0.9, 0.0], [0.1, 1.0], [0.0, 0.0]], np.float32).reshape(3, 2, 1, 1)
    labels = to_array(most_probable(np.broadcast_to(along_x, (3, 2, 2, 2)), grid, fine))
    assert labels[:, 0, 0].tolist() == [0, 0, 1, 1, 1]


def test_a_file_of_labels_lies_on_its_scan_and_replaces_the_old_one(scan: sitk.Image, tmp_path: Path) -> None:
    turned = sitk.PermuteAxes(sitk.Flip(scan, [False, True, False]), [1, 2, 0])
    sitk.WriteImage(turned, tmp_path / "scan.nii.gz")
    target = tmp_path / "out" / "scan_dseg.nii.gz"
    labels = label(turned)
    write_labels(labels, target, like=tmp_path / "scan.nii.gz")
    first = target.read_bytes()
    write_labels(labels, target, like=tmp_path / "scan.nii.gz")
    assert target.read_bytes() == first
    mr, written = nib.load(tmp_path / "scan.nii.gz"), nib.load(target)
    assert written.shape == mr.shape
    assert written.get_data_dtype() == np.uint8
    np.testing.assert_allclose(written.affine, mr.affine, atol=1e-4)
    np.testing.assert_allclose(written.get_qform(), mr.affine, atol=1e-3)
    assert np.array_equal(np.asarray(written.dataobj), to_array(labels))
    assert np.array_equal(sitk.GetArrayFromImage(sitk.ReadImage(target)), sitk.GetArrayFromImage(labels))
    assert [path.name for path in target.parent.iterdir()] == [target.name]


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("codes", [(2, 1), (4, 0), (0, 3), (0, 0)])
def test_labels_carry_both_forms_of_their_scan_as_they_were(
    tmp_path: Path, kind: type[nib.Nifti1Image], codes: tuple[int, int]
) -> None:
    """In a viewer that goes by either form labels lie on the scan."""
    qform = np.diag([-4.0, 4, 5, 1])
    qform[:3, 3] = (60, -60, -50)
    sform = np.array([[0, 4.0, 0, -50], [0, 0, 5, -60], [-4, 0, 0, 70], [0, 0, 0, 1]])
    scan = kind(np.random.default_rng(0).integers(0, 800, (30, 32, 20)).astype(np.int16), None)
    scan.header.set_sform(sform, codes[0])
    scan.header.set_qform(qform, codes[1])
    scan.header["pixdim"][1:4] = (4, 4, 5)
    scan.header["srow_x"][3] += 0.1
    nib.save(scan, tmp_path / "scan.nii.gz")
    image = read_scan(tmp_path / "scan.nii.gz")
    write_labels(
        sitk.Cast(image > 400, sitk.sitkUInt8), tmp_path / "labels.nii.gz", like=tmp_path / "scan.nii.gz"
    )
    stored, written = nib.load(tmp_path / "scan.nii.gz"), nib.load(tmp_path / "labels.nii.gz")
    for field in ("sform_code", "qform_code"):
        assert written.header[field] == stored.header[field]
    assert np.array_equal(written.header.get_sform(), stored.header.get_sform())
    assert np.array_equal(written.header.get_qform(), stored.header.get_qform())
    assert np.array_equal(written.affine, stored.affine)
    assert np.array_equal(np.asarray(written.dataobj), np.asarray(stored.dataobj) > 400)


def test_labels_of_a_scan_in_another_format_lie_on_it_by_both_forms(scan: sitk.Image, tmp_path: Path) -> None:
    sitk.WriteImage(scan, tmp_path / "scan.nrrd")
    write_labels(label(scan), tmp_path / "labels.nii.gz", like=tmp_path / "scan.nrrd")
    written = nib.load(tmp_path / "labels.nii.gz")
    np.testing.assert_allclose(written.get_sform(coded=True)[0], affine(scan), atol=1e-4)
    np.testing.assert_allclose(written.get_qform(coded=True)[0], affine(scan), atol=1e-3)
