"""Whole volumes are labelled as MONAI's sliding window would, each as if it were alone."""

import math

import pytest
import torch
from monai.inferers import sliding_window_inference
from torch import Tensor
from torch.nn import functional

from t1t2core.evaluation.inference import Predictor, cross_entropy
from t1t2core.network.architectures import stages_before
from t1t2core.network.segmenter import Segmenter
from t1t2core.settings import Precision
from t1t2core.training.compute import Compute
from t1t2core.training.patch_set import PatchSet
from tests.builders.heads import FLOAT32, IGNORED, PLENTY, TINY, make_scan, make_training, pretrained_state

SHAPE = (28, 16, 24)
"""Patches of 16 voxels every 8 start at 0, 8 and 12 along x, at 0 and 8 along z."""
OVERLAPPING = make_training(patch=(16, 16, 16), stride=(8, 8, 8))


@pytest.fixture
def segmenter() -> Segmenter:
    segmenter = Segmenter(TINY, seed=0)
    segmenter.load_pretrained(pretrained_state())
    segmenter.freeze(stages_before(9))
    return segmenter


def probabilities(segmenter: Segmenter, seeds: list[int], compute: Compute = FLOAT32) -> list[Tensor]:
    scans = [make_scan(seed, shape=SHAPE) for seed in seeds]
    return Predictor(segmenter, PatchSet.cut(scans, OVERLAPPING), compute).probabilities()


def test_overlapping_patches_merge_as_in_monai(segmenter: Segmenter):
    found = probabilities(segmenter, [3])[0]
    image = torch.from_numpy(make_scan(3, shape=SHAPE).image)[None, None]
    with torch.no_grad():
        expected = sliding_window_inference(
            image,
            (16, 16, 16),
            1,
            lambda patch: segmenter(patch).softmax(dim=1),
            overlap=0.5,
            mode="constant",
        )
    assert isinstance(expected, Tensor)
    torch.testing.assert_close(found, expected[0])


def test_probabilities_of_three_classes_at_each_voxel(segmenter: Segmenter):
    found = probabilities(segmenter, [3])[0]
    assert found.shape == (3, *SHAPE)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.sum(0), torch.ones(SHAPE))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_volume_s_result_does_not_depend_on_those_beside_it(segmenter: Segmenter, precision: Precision):
    compute = Compute(precision=precision)
    alone = probabilities(segmenter, [3], compute)[0]
    assert torch.equal(probabilities(segmenter, [1, 3, 2], compute)[1], alone)
    assert torch.equal(probabilities(segmenter, [2, 1, 3], compute)[2], alone)


def test_kept_features_change_no_bit(segmenter: Segmenter):
    scans = [make_scan(seed, shape=SHAPE) for seed in (1, 2)]
    plain, keeping = (Predictor(segmenter, PatchSet.cut(scans, OVERLAPPING), c) for c in (FLOAT32, PLENTY))
    for _ in range(2):
        pairs = zip(plain.probabilities(), keeping.probabilities(), strict=True)
        assert all(torch.equal(one, other) for one, other in pairs)


def test_a_network_that_learnt_on_is_asked_anew(segmenter: Segmenter):
    scans = [make_scan(1, shape=SHAPE)]
    predictor = Predictor(segmenter, PatchSet.cut(scans, OVERLAPPING), PLENTY)
    before = predictor.probabilities()[0]
    segmenter.set_class_shares(torch.tensor([0.01, 0.01, 0.98]))
    assert not torch.equal(predictor.probabilities()[0], before)
    assert torch.equal(predictor.probabilities()[0], probabilities(segmenter, [1])[0])


def test_batch_norm_uses_its_stored_statistics_even_after_training(segmenter: Segmenter):
    expected = probabilities(segmenter.eval(), [1])[0]
    before = {name: tensor.clone() for name, tensor in segmenter.state_dict().items()}
    assert torch.equal(probabilities(segmenter.train(), [1])[0], expected)
    assert all(torch.equal(tensor, before[name]) for name, tensor in segmenter.state_dict().items())


def test_no_volumes_no_results(segmenter: Segmenter):
    assert probabilities(segmenter, []) == []


def test_cross_entropy_is_torch_s_over_the_known_voxels():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn((3, 4, 5, 6), generator=generator)
    labels = torch.randint(0, 3, (4, 5, 6), generator=generator).to(torch.uint8)
    labels[0] = IGNORED
    expected = functional.cross_entropy(logits[:, 1:][None], labels[1:][None].long())
    assert cross_entropy(logits.softmax(0), labels) == pytest.approx(expected.item(), rel=1e-5)


def test_cross_entropy_by_hand():
    found = torch.tensor([[0.5, 0.25], [0.25, 0.25], [0.25, 0.5]]).reshape(3, 2, 1, 1)
    labels = torch.tensor([0, 1], dtype=torch.uint8).reshape(2, 1, 1)
    assert cross_entropy(found, labels) == pytest.approx((math.log(2) + math.log(4)) / 2)


def test_a_right_label_held_impossible_is_dear_but_finite():
    found = torch.tensor([1.0, 0.0, 0.0]).reshape(3, 1, 1, 1)
    assert 50 < cross_entropy(found, torch.full((1, 1, 1), 2, dtype=torch.uint8)) < math.inf
