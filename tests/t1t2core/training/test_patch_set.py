"""Training sees every voxel of its patients, cut into patches."""

import numpy as np
import pytest
import torch

from t1t2core.errors import InputError
from t1t2core.training.patch_set import PatchSet
from tests.builders.heads import GRID, IGNORED, make_scan, make_training

SETTINGS = make_training(patch=(16, 16, 8), stride=(8, 16, 8))
WIDE = (24, 16, 16)


@pytest.fixture
def patches() -> PatchSet:
    """Two patients, two patches along x (overlapping) times two along z."""
    return PatchSet.cut([make_scan(1, shape=WIDE), make_scan(2, shape=WIDE, ignored=3)], SETTINGS)


def test_patients_in_order_each_with_all_its_patches(patches: PatchSet):
    assert len(patches) == 8
    corners = [(0, 0, 0), (0, 0, 8), (8, 0, 0), (8, 0, 8)]
    assert list(patches.starts) == [(patient, *corner) for patient in (0, 1) for corner in corners]


def test_a_patch_is_what_lies_there_in_the_volume(patches: PatchSet):
    scan = make_scan(2, shape=WIDE, ignored=3)
    assert patches.image(6).shape == (1, 1, 16, 16, 8)
    assert patches.label(6).shape == (1, 16, 16, 8)
    np.testing.assert_array_equal(patches.image(6)[0, 0].numpy(), scan.image[8:24, :, 0:8])
    np.testing.assert_array_equal(patches.label(6)[0].numpy(), scan.labels[8:24, :, 0:8])


def test_labels_come_as_the_loss_takes_them_the_unknown_still_marked(patches: PatchSet):
    assert patches.label(6).dtype == torch.int64
    assert (patches.label(6)[0, :, :, :3] == IGNORED).all()
    assert (patches.label(6)[0, :, :, 3:] != IGNORED).all()
    assert patches.image(6).dtype == torch.float32


def test_every_voxel_is_in_a_patch(patches: PatchSet):
    seen = [torch.zeros(WIDE) for _ in range(2)]
    for patient, x, y, z in patches.starts:
        seen[patient][x : x + 16, y : y + 16, z : z + 8] += 1
    assert all(counts.min() == 1 for counts in seen)
    assert all(counts.max() == 2 for counts in seen)


def test_volumes_are_not_copied():
    scan = make_scan(1)
    patches = PatchSet.cut([scan], make_training())
    assert np.shares_memory(patches.image(0).numpy(), scan.image)


def test_no_patients_no_patches():
    assert len(PatchSet.cut([], SETTINGS)) == 0


def test_a_patch_larger_than_the_volume_is_refused():
    with pytest.raises(InputError, match=r"along z a patch has 32 voxels, the grid only 16"):
        PatchSet.cut([make_scan(1, shape=GRID)], make_training(patch=(16, 16, 32), stride=(16, 16, 32)))
