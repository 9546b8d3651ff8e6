"""Norm adaptation: statistics estimated anew, no weight trained."""

import pytest
import torch
from torch import nn

from t1t2core.network.segmenter import Segmenter
from t1t2core.training.norms import adapt_norms, warm_norms
from t1t2core.training.patch_set import PatchSet
from tests.builders.heads import FLOAT32, TINY, clone, different, make_scan, make_training, pretrained_state


def test_only_statistics_change_and_they_are_those_of_the_t2_patches() -> None:
    segmenter = Segmenter(TINY, seed=0)
    segmenter.load_pretrained(pretrained_state())
    segmenter.freeze(len(segmenter.stages))
    before = clone(segmenter.state_dict())
    patches = PatchSet.cut([make_scan(1, "T2"), make_scan(2, "T2"), make_scan(3, "T2")], make_training())

    adapt_norms(segmenter, patches, batch_size=1, compute=FLOAT32)

    changed = different(before, clone(segmenter.state_dict()))
    assert changed
    assert all(name.endswith(("running_mean", "running_var", "num_batches_tracked")) for name in changed)
    convolution, norm = list(segmenter.encoder.stages[0].block.convolutions.values())[:2]
    means = [convolution(patches.image(n)).mean(dim=(0, 2, 3, 4)) for n in range(len(patches))]
    torch.testing.assert_close(norm.running_mean, torch.stack(means).mean(0))


def test_fresh_statistics_are_a_plain_mean_over_the_first_batches_and_decay_afterwards():
    norm = nn.BatchNorm3d(1)
    draw = torch.Generator().manual_seed(0)
    batches = [torch.randn((2, 1, 4, 4, 4), generator=draw) + 5 for _ in range(4)]
    for batch in batches:
        warm_norms(norm)
        norm(batch)
    torch.testing.assert_close(norm.running_mean, torch.stack([b.mean() for b in batches]).mean()[None])
    for _ in range(20):
        warm_norms(norm)
        norm(batches[0])
    assert norm.momentum == nn.BatchNorm3d(1).momentum


def test_statistics_of_a_pretrained_layer_are_not_forgotten():
    norm = nn.BatchNorm3d(1)
    norm.num_batches_tracked.fill_(100)
    norm.running_mean.fill_(3.0)
    warm_norms(norm)
    norm(torch.zeros(2, 1, 2, 2, 2))
    assert norm.running_mean.item() == pytest.approx(0.9 * 3.0)


def test_adapted_statistics_are_what_the_record_keeps_and_later_training_decays_as_ever() -> None:
    segmenter = Segmenter(TINY, seed=0)
    segmenter.freeze(len(segmenter.stages))
    assert segmenter.trained_state() == {}
    adapt_norms(segmenter, PatchSet.cut([make_scan(1, "T2")], make_training()), batch_size=2, compute=FLOAT32)
    norms = [part for part in segmenter.modules() if isinstance(part, nn.BatchNorm3d)]
    assert len(segmenter.trained_state()) == 3 * len(norms)
    assert {norm.momentum for norm in norms} == {nn.BatchNorm3d(1).momentum}
    assert not any(norm.training for norm in norms)
