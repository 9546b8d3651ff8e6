"""Settings refuse what they do not know, and both presets can run."""

from dataclasses import asdict, fields
from typing import Any

import pytest
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from t1t2core.preparation.patches import patch_starts
from t1t2core.presets import PRESETS, PresetName
from t1t2core.settings import (
    CohortSettings,
    EvaluationSettings,
    NetworkSettings,
    PreparationSettings,
    Settings,
    TrainingSettings,
    identity,
)

GROUPS: list[type] = [
    CohortSettings,
    PreparationSettings,
    NetworkSettings,
    TrainingSettings,
    EvaluationSettings,
]


@pytest.mark.parametrize("group", [*GROUPS, Settings])
def test_an_unknown_name_is_refused(group: type):
    with pytest.raises(ValidationError, match="depht"):
        group(depht=3)


@pytest.mark.parametrize(
    ("group", "wrong"),
    [
        (NetworkSettings, {"width": 0}),
        (NetworkSettings, {"attention_order": "sequential"}),
        (TrainingSettings, {"learning_rate": 0.0}),
        (TrainingSettings, {"learning_rate": float("inf")}),
        (TrainingSettings, {"weight_decay": float("nan")}),
        (TrainingSettings, {"patch": (16, 16)}),
        (TrainingSettings, {"plateau_factor": 1.0}),
        (TrainingSettings, {"beta1": 1.0}),
        (TrainingSettings, {"loss": "hinge"}),
        (TrainingSettings, {"validate_every": 0}),
        (TrainingSettings, {"max_epochs": -1}),
        (PreparationSettings, {"voxel_mm": (1.0, -1.0, 1.0)}),
        (EvaluationSettings, {"pictures": -1}),
    ],
)
def test_a_value_out_of_range_is_refused_and_named(group: type, wrong: dict[str, Any]):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        group(**wrong)


def test_training_must_end():
    with pytest.raises(ValidationError, match="max_epochs and max_steps are both null"):
        TrainingSettings(max_epochs=None, max_steps=None)
    assert TrainingSettings(max_epochs=None, max_steps=10).max_epochs is None


def test_watching_the_validation_loss_needs_it_every_epoch():
    with pytest.raises(ValidationError, match="validation_loss needs validate_every: 1"):
        TrainingSettings(monitor="validation_loss", validate_every=2)
    assert TrainingSettings(monitor="validation_loss").validate_every == 1


@pytest.mark.parametrize("group", ["training", "pretraining"])
def test_batch_norm_goes_by_whole_steps(group: str):
    split = TrainingSettings(batch_size=2, micro_batch=1)
    with pytest.raises(
        ValidationError, match=rf"{group}.micro_batch: 1 splits a step of 2 patches, and batch"
    ):
        Settings(**{group: split})
    for fits in (NetworkSettings(normalisation="group"), NetworkSettings(normalisation="instance")):
        assert getattr(Settings(network=fits, **{group: split}), group).micro_batch == 1
    assert Settings(**{group: TrainingSettings(batch_size=2, micro_batch=2)})


CLASSES = {
    "classes": {
        name: {"value": value, "above_hu": None, "below_hu": None}
        for value, name in enumerate(("rest", "head"))
    }
}
ADDED: dict[type, dict[str, Any]] = {
    NetworkSettings: {
        "attention": "none",
        "normalisation": "group",
        "architecture": "unet",
        "gradual_epochs": 2,
        "lora_rank": 4,
    },
    TrainingSettings: {
        "augmentation": ("flips",),
        "match": "steps",
        "micro_batch": 1,
        "deterministic": False,
        "layer_decay": 0.5,
    },
    CohortSettings: {
        "leave_one_out": "site",
        "source": "PDw",
        "target": "FLAIR",
        **CLASSES,
        "others": "rest",
        "background": "rest",
        "labels": "maps",
    },
    EvaluationSettings: {"choose_by": "bone"},
}
"""Settings that results were recorded without, and another value than the default."""
NEEDED: dict[str, dict[str, Any]] = {"match": {"max_steps": 9}, "others": CLASSES, "background": CLASSES}
"""What goes with one of them."""


@pytest.mark.parametrize("group", GROUPS)
def test_settings_that_were_added_leave_the_identity_of_older_results(group: type):
    older = {name: value for name, value in asdict(group()).items() if name not in ADDED.get(group, {})}
    assert identity(group()) == older


@pytest.mark.parametrize("group", ADDED)
def test_one_that_is_not_at_its_default_tells_groups_apart(group: type):
    for name, value in ADDED[group].items():
        needed = NEEDED.get(name, {})
        assert identity(group(**needed, **{name: value})) == identity(group(**needed)) | {name: value}


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("none", ()),
        (None, ()),
        ([], ()),
        ("noise", ("noise",)),
        (["noise", "flips"], ("flips", "noise")),
        (["affine", "affine"], ("affine",)),
    ],
)
def test_augmentations_are_given_as_one_or_several_in_any_order(given: Any, read: tuple[str, ...]):
    assert TrainingSettings(augmentation=given).augmentation == read


@pytest.mark.parametrize("wrong", ["flip", ["flips", "none"], [["flips"]]])
def test_an_augmentation_that_does_not_exist_is_refused(wrong: Any):
    with pytest.raises(ValidationError, match="augmentation"):
        TrainingSettings(augmentation=wrong)


@pytest.mark.parametrize("group", GROUPS)
def test_every_setting_says_what_it_means(group: type):
    for setting in fields(group):
        assert isinstance(setting.default, FieldInfo)
        assert setting.default.description


def test_settings_cannot_be_changed_under_a_run():
    with pytest.raises(AttributeError):
        Settings().network.width = 8  # type: ignore[misc]


@pytest.mark.parametrize("name", ["demo", "paper"])
@pytest.mark.parametrize("phase", ["pretraining", "training"])
def test_a_preset_s_patches_fit_its_grid(name: PresetName, phase: str):
    settings = PRESETS[name]
    training: TrainingSettings = getattr(settings, phase)
    assert patch_starts(settings.preparation.grid, training.patch, training.stride)


def test_the_paper_preset_is_what_the_study_states():
    paper = PRESETS["paper"]
    assert paper.preparation.grid == (256, 256, 48)
    assert (paper.preparation.bone_above_hu, paper.preparation.air_below_hu) == (600, -500)
    for training in (paper.pretraining, paper.training):
        assert training.patch == (128, 128, 48)
        assert (training.batch_size, training.max_epochs, training.max_steps) == (2, 200, None)
        assert (training.learning_rate, training.beta1, training.weight_decay) == (1e-4, 0.9, 5e-4)
        assert (training.schedule, training.monitor) == ("plateau", "training_accuracy")
        assert (training.plateau_factor, training.plateau_patience, training.stop_patience) == (0.75, 5, 10)


def test_the_demo_preset_has_a_budget_in_steps():
    for training in (PRESETS["demo"].pretraining, PRESETS["demo"].training):
        assert training.max_epochs is None
        assert training.max_steps is not None
