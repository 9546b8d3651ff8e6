"""Patches of a training step are changed at random: what is asked for, again the same, and no others."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from t1t2core.experiment import Experiment, Scans
from t1t2core.network.architectures import stages_before
from t1t2core.network.base import Network
from t1t2core.network.segmenter import Segmenter
from t1t2core.preparation.prepare import PreparedScan
from t1t2core.settings import (
    AugmentationName,
    EvaluationSettings,
    NetworkSettings,
    Settings,
    TrainingSettings,
)
from t1t2core.training import augmentation
from t1t2core.training.augmentation import AugmentedPatches, draw_matrix
from t1t2core.training.checkpoint import pack_state, unpack_state
from t1t2core.training.compute import Compute
from t1t2core.training.feature_store import FeatureStore
from t1t2core.training.fit import Fit
from t1t2core.training.patch_set import PatchSet
from tests.builders.heads import (
    FLOAT32,
    IGNORED,
    clone,
    count_classes,
    deep_of,
    different,
    make_fit,
    make_scan,
    make_training,
    scan_of,
)

NARROW = NetworkSettings(width=2)
EACH: tuple[AugmentationName, ...] = ("flips", "affine", "intensity", "noise", "contrast")
GEOMETRY: tuple[AugmentationName, ...] = ("flips", "affine")
SHAPE = (24, 32, 16)
STEPS = range(12)
"""Among so many, every augmentation is done and left out."""


@pytest.fixture(scope="module")
def patches() -> PatchSet:
    """Two, of one voxel size."""
    return PatchSet.cut([make_scan(seed, shape=SHAPE) for seed in (1, 2)], of_whole_heads())


def of_whole_heads(**changes: object) -> TrainingSettings:
    return make_training(patch=SHAPE, stride=SHAPE, **changes)


def at(step: int, patches: PatchSet, *names: AugmentationName, seed: int = 0) -> AugmentedPatches:
    return AugmentedPatches(patches, names, seed, step)


def changed_steps(patches: PatchSet, *names: AugmentationName) -> list[AugmentedPatches]:
    """Those steps in which the first patch is changed."""
    steps = [at(step, patches, *names) for step in STEPS]
    return [one for one in steps if not torch.equal(one.image(0), patches.image(0))]


# What is done


@pytest.mark.parametrize("name", EACH)
def test_some_patches_are_changed_each_in_another_way_and_some_are_not(
    patches: PatchSet, name: AugmentationName
):
    images = [at(step, patches, name).image(0) for step in STEPS]
    changed = [image for image in images if not torch.equal(image, patches.image(0))]
    assert 0 < len(changed) < len(images)
    if name != "flips":
        assert len({image.numpy().tobytes() for image in changed}) == len(changed)
    for image in images:
        assert type(image) is Tensor
        assert (image.shape, image.dtype) == (patches.image(0).shape, torch.float32)
        assert image.isfinite().all()


def test_flips_mirror_image_and_labels_left_to_right(patches: PatchSet):
    for step in changed_steps(patches, "flips"):
        assert torch.equal(step.image(0), patches.image(0).flip(2))
        assert torch.equal(step.label(0), patches.label(0).flip(1))


@pytest.mark.parametrize("name", ["intensity", "noise", "contrast"])
def test_labels_stay_where_only_intensities_change(patches: PatchSet, name: AugmentationName):
    for step in changed_steps(patches, name):
        assert torch.equal(step.label(0), patches.label(0))


def test_a_landmark_moves_with_its_label():
    """A ball of bone near the front, to the left: after every turn it is bright where it is labelled bone."""
    place = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), axis=-1)
    ball = np.linalg.norm(place - [7, 20, 8], axis=-1) < 4
    labels = np.where(ball, 2, 1).astype(np.uint8)
    scan = scan_of(ball.astype(np.float32), labels, ball, np.diag([2.0, 2.0, 3.0, 1.0]))
    patches = PatchSet.cut([scan], of_whole_heads())
    centres = set()
    for step in changed_steps(patches, *GEOMETRY):
        image, bone = step.image(0)[0, 0], step.label(0)[0] == 2
        assert ((image > 0.5) ^ bone).sum() < 0.2 * bone.sum()
        centre = bone.nonzero().float().mean(0)
        centres.add(tuple(centre.round().int().tolist()))
        by_intensity = (image[..., None] * torch.from_numpy(place)).sum((0, 1, 2)) / image.sum()
        torch.testing.assert_close(centre, by_intensity.float(), rtol=0, atol=0.5)
    assert len(centres) > 3


def test_what_comes_from_outside_the_patch_is_unknown_and_empty(patches: PatchSet):
    full = replace(
        patches,
        images=tuple(torch.full_like(image, 5.0) for image in patches.images),
        labels=tuple(torch.full_like(label, 2) for label in patches.labels),
    )
    unknown = 0
    for step in (at(number, full, "affine") for number in STEPS):
        image, label = step.image(0)[0, 0], step.label(0)[0]
        assert set(label.unique().tolist()) <= {2, IGNORED}
        outside = label == IGNORED
        # An image fades to 0 within a voxel, a label ends in the middle of it.
        assert (image[outside] <= 2.5 + 1e-3).all()
        assert (image[~outside] > 0).all()
        unknown += int(outside.sum())
    assert unknown > 0


def test_unknown_labels_stay_unknown():
    patches = PatchSet.cut([make_scan(1, shape=SHAPE, ignored=16)], of_whole_heads())
    assert all((at(step, patches, *EACH).label(0) == IGNORED).all() for step in STEPS)


def test_turns_keep_right_angles_in_mm_and_are_small():
    voxel_mm = (1.0, 1.0, 4.0)
    random = np.random.default_rng(0)
    to_mm = np.diag([*(np.array(SHAPE) * voxel_mm / 2), 1.0])
    for _ in range(20):
        in_mm = to_mm @ draw_matrix(SHAPE, voxel_mm, random).double().numpy() @ np.linalg.inv(to_mm)
        axes = in_mm[:3, :3]
        lengths = np.linalg.norm(axes, axis=0)
        assert np.abs(lengths - 1).max() <= augmentation.SCALE + 1e-6
        cosines = (axes / lengths).T @ (axes / lengths)
        np.testing.assert_allclose(cosines, np.eye(3), atol=1e-5)
        assert np.degrees(np.arccos(np.diag(axes / lengths))).max() < 2 * augmentation.DEGREES


def test_contrast_keeps_mean_and_spread_and_may_make_dark_bright(patches: PatchSet):
    before = patches.image(0)
    correlations = []
    for step in changed_steps(patches, "contrast"):
        after = step.image(0)
        torch.testing.assert_close(after.mean(), before.mean(), rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(after.std(), before.std(), rtol=1e-3, atol=1e-3)
        correlations.append(float(torch.corrcoef(torch.stack([before.flatten(), after.flatten()]))[0, 1]))
    assert min(correlations) < -0.5
    assert max(correlations) > 0.5


def test_an_empty_patch_stays_empty_but_for_noise(patches: PatchSet):
    empty = replace(patches, images=tuple(torch.zeros_like(image) for image in patches.images))
    for step in STEPS:
        assert not at(step, empty, "flips", "affine", "intensity", "contrast").image(0).any()


# What it depends on


def test_seed_step_and_patch_decide_and_nothing_else(patches: PatchSet):
    twins = replace(patches, images=(patches.images[0],) * 2)
    step = at(3, twins, *EACH)
    first = step.image(0)
    assert torch.equal(at(3, twins, *EACH).image(0), first)
    assert torch.equal(step.image(0), first)
    assert not torch.equal(step.image(1), first)
    assert not torch.equal(at(4, twins, *EACH).image(0), first)
    assert not torch.equal(at(3, twins, *EACH, seed=1).image(0), first)


def test_one_augmentation_more_leaves_the_others_as_they_are(patches: PatchSet):
    for step in STEPS:
        assert torch.equal(
            at(step, patches, *GEOMETRY, "noise").label(0), at(step, patches, *GEOMETRY).label(0)
        )


# In a training


def train(scans: list[PreparedScan], settings: TrainingSettings, *, seed: int = 0) -> dict[str, Tensor]:
    fit = make_fit(Segmenter(NARROW, seed=0), scans, settings, seed=seed)
    fit.run_epoch()
    return clone(fit.network.state_dict())


@pytest.fixture(scope="module")
def scans() -> list[PreparedScan]:
    return [make_scan(seed, "T2", shape=SHAPE) for seed in (1, 2, 3)]


def test_a_training_is_reproducible_and_another_one_without(scans: list[PreparedScan]):
    off, none = train(scans, of_whole_heads()), train(scans, of_whole_heads(augmentation="none"))
    on, again = (train(scans, of_whole_heads(augmentation=EACH)) for _ in range(2))
    assert different(off, none) == different(on, again) == set()
    assert different(off, on)


def test_a_training_that_is_resumed_ends_with_the_same_weights(scans: list[PreparedScan]):
    settings = of_whole_heads(augmentation=EACH, steps_per_epoch=3)
    whole, first, resumed = (make_fit(Segmenter(NARROW, seed=0), scans, settings) for _ in range(3))
    for _ in range(2):
        whole.run_epoch()
    first.run_epoch()
    resumed.restore(unpack_state(pack_state(first.state())))
    resumed.run_epoch()
    assert different(whole.network.state_dict(), resumed.network.state_dict()) == set()


def make_tuned(scans: list[PreparedScan], settings: TrainingSettings, compute: Compute) -> Fit:
    segmenter = Segmenter(NARROW, seed=0)
    segmenter.freeze(stages_before(9))
    return make_fit(segmenter, scans, settings, compute=compute)


def test_frozen_layers_see_the_changed_patches_and_what_they_make_of_them_is_not_kept(
    scans: list[PreparedScan],
):
    settings = of_whole_heads(augmentation=EACH)
    assert not Settings(training=settings).shares_frozen_features
    assert Settings(training=of_whole_heads()).shares_frozen_features
    store = FeatureStore(2**28)
    fit = make_tuned(scans, settings, Compute(precision="float32", features=store))
    before = clone(fit.network.state_dict())
    fit.run_epoch()
    assert store.foreign_bytes == 0
    store.begin_trial()
    assert store.foreign_bytes == 0
    frozen = {name for name in before if name.startswith("encoder.")}
    changed = different(before, clone(fit.network.state_dict()))
    assert changed == before.keys() - frozen
    plain = make_tuned(scans, of_whole_heads(), Compute(precision="float32", features=store))
    plain.run_epoch()
    now = different(plain.network.state_dict(), fit.network.state_dict())
    assert now == {name for name in changed if not name.endswith("num_batches_tracked")}


def test_validation_and_test_patients_are_never_changed(scans: list[PreparedScan]):
    training, validation, test = ({"P": scan} for scan in scans)
    experiment = Experiment(
        Segmenter(NARROW, seed=0),
        {"T2": Scans(training, validation, test)},
        of_whole_heads(augmentation=EACH, max_epochs=3),
        EvaluationSettings(surface_distances=False),
        learning_rate=None,
        seed=0,
        compute=FLOAT32,
    )
    while not experiment.finished:
        measured = experiment.run_epoch().validation
        assert measured == count_classes(
            label(experiment.network, scans[1]), scans[1].labels, scans[1].hull, deep_of(scans[1])
        )
    predicted = experiment.score().predictions["T2", "P"]
    np.testing.assert_array_equal(predicted, label(experiment.network, scans[2]))


@torch.no_grad()
def label(network: Network, scan: PreparedScan) -> np.ndarray:
    return network.eval()(torch.from_numpy(scan.image)[None, None])[0].argmax(0).to(torch.uint8).numpy()
