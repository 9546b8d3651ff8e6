"""What the frozen part makes of a patch is computed once, and kept or not it is the same to the bit."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch

from t1t2core.network.architectures import stages_before
from t1t2core.network.base import Network
from t1t2core.network.hybrid import HybridSegmenter
from t1t2core.network.segmenter import Segmenter
from t1t2core.network.stage import Features
from t1t2core.settings import Fusion, NetworkSettings, Precision
from t1t2core.training.compute import Compute
from t1t2core.training.feature_store import FeatureStore
from t1t2core.training.frozen_cache import FrozenCache
from t1t2core.training.patch_set import PatchSet
from tests.builders.heads import TINY, make_scan, make_training

PLENTY_BYTES = 2**28


@pytest.fixture(scope="module")
def patches() -> PatchSet:
    """Four."""
    return PatchSet.cut([make_scan(seed) for seed in range(4)], make_training())


@pytest.fixture
def segmenter() -> Segmenter:
    return make_frozen(9)


def make_frozen(tuned: int, settings: NetworkSettings = TINY) -> Segmenter:
    segmenter = Segmenter(settings, seed=0)
    segmenter.freeze(stages_before(tuned))
    return segmenter


def make_cache(
    network: Network, patches: PatchSet, store: FeatureStore | None = None, precision: Precision = "float32"
) -> FrozenCache:
    store = FeatureStore(PLENTY_BYTES) if store is None else store
    return FrozenCache(network, patches, Compute(precision=precision, features=store))


@contextmanager
def computed(network: Network) -> Iterator[list[int]]:
    """Numbers of the frozen stages that are run, one after the other."""
    run: list[int] = []
    handles = [
        stage.register_forward_hook(lambda *_, number=number: run.append(number))
        for number, stage in enumerate(network.frozen_chains[0])
    ]
    yield run
    for handle in handles:
        handle.remove()


def equal(one: Features, other: Features) -> bool:
    parts = zip(
        (one.values, *one.indices, *one.skips), (other.values, *other.indices, *other.skips), strict=True
    )
    return all(torch.equal(i, j) for i, j in parts)


def test_a_patch_is_computed_once(segmenter: Segmenter, patches: PatchSet):
    cache = make_cache(segmenter, patches)
    with computed(segmenter) as stages:
        for numbers in ([0, 1], [2, 0], [1, 2], [3]):
            cache.batch(numbers)
    assert stages == 4 * [0, 1, 2, 3]


def test_without_room_it_is_computed_each_time(segmenter: Segmenter, patches: PatchSet):
    cache = make_cache(segmenter, patches, FeatureStore(0))
    with computed(segmenter) as stages:
        for _ in range(3):
            cache.batch([0, 1])
    assert stages == 6 * [0, 1, 2, 3]


def test_no_more_is_kept_than_there_is_room(segmenter: Segmenter, patches: PatchSet):
    store = FeatureStore(2 * size_of_one(segmenter, patches))
    cache = make_cache(segmenter, patches, store)
    computations = []
    for _ in range(2):
        with computed(segmenter) as stages:
            for number in range(4):
                cache.batch([number])
        computations.append(stages.count(0))
    assert computations == [4, 2]


def test_a_later_trial_takes_room_from_earlier_ones_only(segmenter: Segmenter, patches: PatchSet):
    store = FeatureStore(2 * size_of_one(segmenter, patches))
    make_cache(segmenter, patches, store).batch([0, 1])
    store.begin_trial()
    cache = make_cache(segmenter, patches, store)
    with computed(segmenter) as stages:
        cache.batch([1, 2])
        assert stages.count(0) == 1
        cache.batch([0])
        cache.batch([1, 2])
    assert stages.count(0) == 2
    assert store.foreign_bytes == 0


def test_another_trial_that_freezes_the_same_computes_nothing(patches: PatchSet):
    store = FeatureStore(PLENTY_BYTES)
    first, second = (make_frozen(9) for _ in range(2))
    expected = make_cache(first, patches, store).batch([0, 1])
    store.begin_trial()
    with computed(second) as stages:
        assert equal(make_cache(second, patches, store).batch([0, 1]), expected)
    assert stages == []


def test_one_that_freezes_more_goes_on_from_there(patches: PatchSet):
    store = FeatureStore(PLENTY_BYTES)
    make_cache(make_frozen(18), patches, store).batch([0])
    store.begin_trial()
    deeper = make_frozen(3)
    with computed(deeper) as stages:
        batch = make_cache(deeper, patches, store).batch([0])
    assert stages == [1, 2, 3, 4, 5]
    assert equal(batch, deeper.run_frozen(patches.image(0)))


def test_skips_that_two_have_take_room_once(patches: PatchSet):
    shallow, deeper = (
        make_frozen(tuned, replace(TINY, skip_connections="concatenation")) for tuned in (9, 6)
    )

    def fill(store: FeatureStore) -> int:
        """Bytes that are kept once both have been there."""
        for network in (shallow, deeper):
            assert equal(make_cache(network, patches, store).batch([0]), network.run_frozen(patches.image(0)))
            store.begin_trial()
        return store.foreign_bytes

    both = fill(FeatureStore(PLENTY_BYTES))
    just_enough = FeatureStore(both)
    assert fill(just_enough) == both
    for network in (shallow, deeper):
        with computed(network) as stages:
            make_cache(network, patches, just_enough).batch([0])
        assert stages == []


@pytest.mark.parametrize("fusion", ["multiplication", "concatenation"])
def test_a_hybrid_shares_with_what_freezes_the_encoder(patches: PatchSet, fusion: Fusion):
    store = FeatureStore(PLENTY_BYTES)
    make_cache(make_frozen(9), patches, store).batch([0, 1])
    store.begin_trial()
    hybrid = HybridSegmenter(TINY, fusion, seed=1)
    hybrid.load_pretrained(Segmenter(TINY, seed=0).state_dict())
    with computed(hybrid) as stages:
        batch = make_cache(hybrid, patches, store).batch([0, 1])
    assert stages == []
    assert batch.image is not None
    assert torch.equal(batch.image, torch.cat([patches.image(0), patches.image(1)]))


@pytest.mark.parametrize("change", ["weights", "statistics", "settings", "precision", "patch"])
def test_what_differs_is_not_shared(patches: PatchSet, change: str):
    store = FeatureStore(PLENTY_BYTES)
    make_cache(make_frozen(9), patches, store).batch([0])
    other = make_frozen(9)
    if change == "weights":
        next(other.parameters()).data[0] += 1e-6
    elif change == "statistics":
        other.state_dict()["encoder.stages.1.block.convolutions.1.running_mean"][0] += 1e-6
    elif change == "settings":
        other = make_frozen(9, replace(TINY, attention_order="concurrent_add"))
    precision: Precision = "bfloat16" if change == "precision" else "float32"
    with computed(other) as stages:
        make_cache(other, patches, store, precision).batch([1 if change == "patch" else 0])
    assert 3 in stages


def test_what_others_computed_is_charged_once(patches: PatchSet):
    store = FeatureStore(PLENTY_BYTES)
    make_cache(make_frozen(9), patches, store).batch([0, 1])
    assert store.borrowed_seconds == 0
    store.begin_trial()
    same, deeper = (make_cache(make_frozen(tuned), patches, store) for tuned in (9, 3))
    same.batch([0])
    of_one = store.borrowed_seconds
    assert of_one > 0
    same.batch([0])
    assert store.borrowed_seconds == of_one
    same.batch([1])
    of_two = store.borrowed_seconds
    assert of_two > of_one
    store.begin_trial()
    assert store.borrowed_seconds == 0
    deeper.batch([0, 1])
    assert store.borrowed_seconds == pytest.approx(of_two)
    store.begin_trial()
    deeper.batch([0, 1])
    assert store.borrowed_seconds > of_two


def size_of_one(network: Network, patches: PatchSet) -> int:
    """Bytes that the features of a patch take."""
    store = FeatureStore(PLENTY_BYTES)
    make_cache(network, patches, store).batch([0])
    store.begin_trial()
    return store.foreign_bytes


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("tuned", [0, 3, 9, 18])
def test_kept_or_computed_again_alone_or_beside_others(patches: PatchSet, precision: Precision, tuned: int):
    segmenter = make_frozen(tuned)
    kept = make_cache(segmenter, patches, precision=precision)
    again = make_cache(segmenter, patches, FeatureStore(0), precision)
    kept.batch([3, 2, 1, 0])
    for numbers in ([0, 1], [1, 0, 3], [2]):
        assert equal(kept.batch(numbers), again.batch(numbers))


def test_a_batch_is_its_patches_in_the_order_asked_for(segmenter: Segmenter, patches: PatchSet):
    cache = make_cache(segmenter, patches)
    batch = cache.batch([2, 0])
    alone = [cache.batch([number]) for number in (2, 0)]
    assert torch.equal(batch.values, torch.cat([features.values for features in alone]))
    assert len(batch.indices) == 3
    for level, index in enumerate(batch.indices):
        assert torch.equal(index, torch.cat([features.indices[level] for features in alone]))


def test_it_is_what_the_frozen_part_makes_of_the_patch(segmenter: Segmenter, patches: PatchSet):
    expected = segmenter.run_frozen(patches.image(1))
    assert equal(make_cache(segmenter, patches).batch([1]), expected)


def test_with_nothing_frozen_it_gives_the_images_and_keeps_none(patches: PatchSet):
    store = FeatureStore(PLENTY_BYTES)
    features = make_cache(Segmenter(TINY, seed=0), patches, store).batch([1, 3])
    assert torch.equal(features.values, torch.cat([patches.image(n) for n in (1, 3)]))
    assert features.indices == ()
    store.begin_trial()
    assert store.foreign_bytes == 0


def test_the_step_before_is_no_part_of_what_features_are_said_to_take(
    segmenter: Segmenter, patches: PatchSet
):
    """A GPU may still be at work on it when they are asked for."""
    queue = [100.0]  # seconds of work that the device was given
    clock = [0.0]

    class Busy(Compute):
        def finish(self) -> None:
            clock[0] += sum(queue)
            queue.clear()

    store = FeatureStore(PLENTY_BYTES)
    cache = FrozenCache(segmenter, patches, Busy(precision="float32", features=store))
    for stage in segmenter.frozen_chains[0]:
        stage.register_forward_hook(lambda *_: queue.append(1.0))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("t1t2core.training.frozen_cache.time.perf_counter", lambda: clock[0])
        cache.batch([0])
    store.begin_trial()
    cache.batch([0])
    assert store.borrowed_seconds == len(segmenter.frozen_chains[0])
