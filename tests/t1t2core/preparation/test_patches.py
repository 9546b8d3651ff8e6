"""Volumes are cut into overlapping patches and put together again."""

import pytest
import torch

from t1t2core.errors import InputError
from t1t2core.preparation.patches import extract, merge_patches, patch_starts


def test_the_study_s_patches():
    starts = patch_starts((256, 256, 48), (128, 128, 48), (64, 64, 48))
    assert len(starts) == 9
    assert starts[0] == (0, 0, 0)
    assert starts[-1] == (128, 128, 0)


def test_the_last_patch_ends_with_the_volume():
    starts = patch_starts((64, 80, 48), (32, 32, 16), (24, 24, 16))
    assert {x for x, _, _ in starts} == {0, 24, 32}
    assert {y for _, y, _ in starts} == {0, 24, 48}
    assert {z for _, _, z in starts} == {0, 16, 32}


def test_a_patch_as_large_as_the_grid_is_the_only_one():
    assert patch_starts((16, 16, 16), (16, 16, 16), (8, 8, 8)) == [(0, 0, 0)]


def test_every_voxel_is_covered():
    grid = (40, 30, 24)
    covered = torch.zeros(grid)
    for x, y, z in patch_starts(grid, (16, 16, 16), (13, 16, 7)):
        covered[x : x + 16, y : y + 16, z : z + 16] = 1
    assert covered.min() == 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_was_cut_is_merged_into_the_same_volume(dtype: torch.dtype):
    grid, patch = (40, 30, 24), (16, 16, 8)
    volume = torch.rand((3, *grid), generator=torch.Generator().manual_seed(1), dtype=dtype)
    starts = patch_starts(grid, patch, (11, 9, 5))
    patches = extract(volume, starts, patch)
    assert patches.shape == (len(starts), 3, *patch)
    torch.testing.assert_close(merge_patches(patches, starts, grid), volume)


def test_overlaps_get_the_mean():
    patches = torch.stack([torch.full((1, 8, 8, 8), value) for value in (1.0, 3.0)])
    merged = merge_patches(patches, [(0, 0, 0), (4, 0, 0)], (12, 8, 8))
    assert merged[0, :, 0, 0].tolist() == [1.0] * 4 + [2.0] * 4 + [3.0] * 4


def test_everything_that_does_not_fit_is_said_at_once():
    with pytest.raises(InputError) as refused:
        patch_starts((64, 80, 48), (65, 20, 48), (64, 16, 49))
    message = str(refused.value)
    assert "along x a patch has 65 voxels, the grid only 64" in message
    assert "along y a patch has 20 voxels; it must be divisible by 8" in message
    assert "along z the stride is 49" in message


def test_a_grid_or_a_number_of_patches_beyond_all_use_is_refused_before_it_is_made() -> None:
    with pytest.raises(InputError, match="2000 x 2000 x 2000 voxels"):
        patch_starts((2000, 2000, 2000), (8, 8, 8), (8, 8, 8))
    with pytest.raises(InputError, match=r"249 x 249 x 41 patches.*raise the stride"):
        patch_starts((256, 256, 48), (8, 8, 8), (1, 1, 1))
