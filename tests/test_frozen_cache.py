"""What the frozen part makes of a patch is computed once, and kept or not it is the same to the bit."""

from collections import Counter

import pytest
import torch
from torch import Tensor

from t1t2core.network.segmenter import Segmenter, stages_before
from t1t2core.network.stage import Features
from t1t2core.settings import Precision
from t1t2core.training.compute import Compute
from t1t2core.training.frozen_cache import FrozenCache
from t1t2core.training.patch_set import PatchSet
from tests.heads import TINY, make_scan, make_training

PLENTY_BYTES = 2**28


class Patches:
    """Counts how often each patch is asked for."""

    def __init__(self) -> None:
        self.patches = PatchSet.cut([make_scan(seed) for seed in range(4)], make_training())
        self.asked: Counter[int] = Counter()

    def image(self, number: int) -> Tensor:
        self.asked[number] += 1
        return self.patches.image(number)


@pytest.fixture
def segmenter() -> Segmenter:
    segmenter = Segmenter(TINY, seed=0)
    segmenter.freeze(stages_before(9))
    return segmenter


def make_cache(
    segmenter: Segmenter, patches: Patches, room: int, precision: Precision = "float32"
) -> FrozenCache:
    return FrozenCache(segmenter, patches.image, Compute(precision=precision, cache_bytes=room))


def equal(one: Features, other: Features) -> bool:
    assert len(one.indices) == len(other.indices)
    indices = zip(one.indices, other.indices, strict=True)
    return torch.equal(one.values, other.values) and all(torch.equal(i, j) for i, j in indices)


def test_a_patch_is_computed_once(segmenter: Segmenter):
    patches = Patches()
    cache = make_cache(segmenter, patches, PLENTY_BYTES)
    for numbers in ([0, 1], [2, 0], [1, 2], [3]):
        cache.batch(numbers)
    assert patches.asked == {0: 1, 1: 1, 2: 1, 3: 1}


def test_without_room_it_is_computed_each_time(segmenter: Segmenter):
    patches = Patches()
    cache = make_cache(segmenter, patches, 0)
    for _ in range(3):
        cache.batch([0, 1])
    assert patches.asked == {0: 3, 1: 3}


def test_no_more_is_kept_than_there_is_room(segmenter: Segmenter):
    patches = Patches()
    features = make_cache(segmenter, patches, 0).batch([0])
    size = features.values.nbytes + sum(index.nbytes for index in features.indices)
    patches.asked.clear()
    cache = make_cache(segmenter, patches, 2 * size)
    for _ in range(2):
        for number in range(4):
            cache.batch([number])
    assert patches.asked == {0: 1, 1: 1, 2: 2, 3: 2}


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("tuned", [0, 3, 9, 18])
def test_kept_or_computed_again_alone_or_beside_others(precision: Precision, tuned: int):
    segmenter = Segmenter(TINY, seed=0)
    segmenter.freeze(stages_before(tuned))
    kept = make_cache(segmenter, Patches(), PLENTY_BYTES, precision)
    again = make_cache(segmenter, Patches(), 0, precision)
    kept.batch([3, 2, 1, 0])
    for numbers in ([0, 1], [1, 0, 3], [2]):
        assert equal(kept.batch(numbers), again.batch(numbers))


def test_a_batch_is_its_patches_in_the_order_asked_for(segmenter: Segmenter):
    cache = make_cache(segmenter, Patches(), PLENTY_BYTES)
    batch = cache.batch([2, 0])
    alone = [cache.batch([number]) for number in (2, 0)]
    assert torch.equal(batch.values, torch.cat([features.values for features in alone]))
    assert len(batch.indices) == 3
    for level, index in enumerate(batch.indices):
        assert torch.equal(index, torch.cat([features.indices[level] for features in alone]))


def test_it_is_what_the_frozen_part_makes_of_the_patch(segmenter: Segmenter):
    patches = Patches()
    expected = segmenter.run_frozen(patches.patches.image(1))
    assert equal(make_cache(segmenter, patches, PLENTY_BYTES).batch([1]), expected)


def test_with_nothing_frozen_it_gives_the_images_and_keeps_none():
    patches = Patches()
    cache = make_cache(Segmenter(TINY, seed=0), patches, PLENTY_BYTES)
    for _ in range(2):
        features = cache.batch([1, 3])
    assert torch.equal(features.values, torch.cat([patches.patches.image(n) for n in (1, 3)]))
    assert features.indices == ()
    assert patches.asked == {1: 2, 3: 2}
