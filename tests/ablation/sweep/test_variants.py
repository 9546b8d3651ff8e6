"""What a space varies is checked together with the run's settings, before anything is spent."""

from pathlib import Path

import pytest

from ablation.plan.plan import recipes_of
from ablation.plan.study import Study
from ablation.space.points import Point, expand
from ablation.space.space import Space
from ablation.sweep.variants import (
    about_features,
    check_given,
    check_number,
    check_overrides,
    check_primary,
    check_variants,
)
from t1t2core.cohort.roles import FoldSplit, Roles
from t1t2core.errors import InputError
from t1t2core.presets import PRESETS
from t1t2core.settings import Settings, TrainingSettings
from t1t2core.settings.classes import STUDY_CLASSES
from t1t2core.training.compute import Device
from tests.builders.spaces import read

ROLES = Roles(("a", "b", "c"), ("d",), ("e",))
STUDY = Study(
    settings=PRESETS["demo"],
    device=Device(kind="cpu", bfloat16=False),
    cohort_fingerprint="cohort",
    splits=tuple(FoldSplit(fold, t1=ROLES, t2=ROLES) for fold in (1, 2, 3)),
)
OPEN = "arms: [{strategy: open}]\n"


def points_of(space: Space) -> tuple[Point, ...]:
    return expand(space, STUDY.settings)


def told_of(space: Space) -> str:
    with pytest.raises(InputError) as caught:
        check_variants(points_of(space), STUDY, space.source)
    return str(caught.value)


def test_settings_that_do_not_go_together_are_told_with_their_values(tmp_path: Path) -> None:
    told = told_of(read(tmp_path, OPEN + "training.max_steps: [96, null]"))
    assert "training.max_steps: none: max_epochs and max_steps are both null" in told


def test_a_patch_that_does_not_fit_its_grid_is_told(tmp_path: Path) -> None:
    told = told_of(read(tmp_path, OPEN + "training.patch: [[32, 40, 24], [90, 40, 24]]"))
    assert "training.patch: [90, 40, 24]" in told
    assert "[32, 40, 24]:" not in told


def test_a_precision_that_the_device_lacks_is_told(tmp_path: Path) -> None:
    small = "patch: [[16, 40, 24]], stride: [[16, 40, 24]]"
    told = told_of(read(tmp_path, OPEN + f"training: {{precision: [bfloat16], {small}}}"))
    assert "bfloat16 on a CPU needs patches of at least" in told


def test_a_strategy_that_cannot_be_done_with_a_setting_is_told(tmp_path: Path) -> None:
    told = told_of(
        read(tmp_path, "arms: [{strategy: norm_adaptation}]\nnetwork.normalisation: [batch, group]")
    )
    assert "norm_adaptation" in told
    assert "group" in told


def test_what_is_varied_cannot_be_set_on_the_command_line(tmp_path: Path) -> None:
    space = read(tmp_path, OPEN + "training.loss: [dice, cross_entropy]")
    check_overrides(space, ["training.batch_size=1"])
    with pytest.raises(InputError, match=r"--set training\.loss: .*mine\.yaml has values of it"):
        check_overrides(space, ["training.loss=dice"])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("pretraining_seeds: [0, 1]", "pretraining_seeds: several"),
        ("network.width: [4, 8]", r"network\.width: varied, and it changes the pretrained network"),
        ("pretraining.max_steps: [10, 20]", r"pretraining\.max_steps: varied"),
        ("preparation.normalisation: [z_score, local_contrast]", r"preparation\.normalisation: varied"),
    ],
)
def test_one_given_network_is_not_enough_for_several(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        check_given(read(tmp_path, OPEN + text), Settings())


@pytest.mark.parametrize("text", ["training.loss: [dice, cross_entropy]", "pretraining_seeds: [3]", ""])
def test_one_given_network_is_enough_for_all_else(tmp_path: Path, text: str) -> None:
    space = read(tmp_path, OPEN + text)
    check_given(space, Settings())
    assert {point.pretraining_seed for point in expand(space, STUDY.settings, pretrained=True)} == {None}


def test_a_given_network_is_none_that_saw_random_contrasts(tmp_path: Path) -> None:
    space = read(tmp_path, "arms: [{strategy: contrast_randomised}]")
    with pytest.raises(
        InputError, match=r"contrast_randomised: .* with pretraining\.augmentation: \[contrast\]"
    ):
        check_given(space, Settings())
    check_given(space, Settings(pretraining=TrainingSettings(augmentation=("contrast",))))


def test_what_tunes_a_network_of_random_contrasts_shares_it_with_what_leaves_it(tmp_path: Path) -> None:
    space = read(
        tmp_path,
        "arms: [{strategy: contrast_randomised}, {strategy: open, pretraining.augmentation: contrast}]\n"
        "pretraining_seeds: [0]",
    )
    (recipe,) = recipes_of(points_of(space), STUDY)
    assert recipe.pretraining.augmentation == ("contrast",)


def test_random_contrasts_are_one_arm_whether_the_others_have_them_or_not(tmp_path: Path) -> None:
    arms = "arms: [{strategy: contrast_randomised}, {strategy: no_fine_tuning}]\nfolds: [1]\n"
    points = points_of(read(tmp_path, arms + "pretraining.augmentation: [none, contrast]"))
    seen = [(point.strategy, dict(point.settings)["pretraining.augmentation"]) for point in points]
    assert seen == [
        ("contrast_randomised", ("contrast",)),
        ("no_fine_tuning", ()),
        ("no_fine_tuning", ("contrast",)),
    ]


def test_layers_that_a_strategy_cannot_tune_are_told(tmp_path: Path) -> None:
    told = told_of(read(tmp_path, "arms: [{strategy: first_layers, tuned_layers: [fc, 3]}]"))
    assert "fc is the last layer, which first_layers keeps as it is" in told


def test_more_networks_than_anybody_would_train_are_told_with_what_multiplies_them(tmp_path: Path) -> None:
    seeds = list(range(30))
    text = f"network.width: [4, 8]\nnetwork.unpooling: [indices, nearest]\npretraining_seeds: {seeds}"
    space = read(tmp_path, OPEN + text)
    with pytest.raises(InputError, match="needs 120 pretrained networks, at most 100: 30 pretraining seeds"):
        check_number(recipes_of(points_of(space), STUDY), space)


def test_a_primary_comparison_names_two_arms_that_there_are(tmp_path: Path) -> None:
    arms = "arms: [{strategy: open}, {strategy: conservative, tuned_layers: 9}]\n"
    good = read(tmp_path, arms + "primary: {arm: conservative 9, against: open, class: bone}")
    check_primary(points_of(good), good, STUDY_CLASSES)
    bad = read(tmp_path, arms + "primary: {arm: conservative 6, against: open, class: bone}")
    with pytest.raises(InputError, match=r"'conservative 6' is no arm; there are open, conservative 9; did"):
        check_primary(points_of(bad), bad, STUDY_CLASSES)
    same = read(tmp_path, arms + "primary: {arm: open, against: open, class: bone}")
    with pytest.raises(InputError, match="arm and against are the same"):
        check_primary(points_of(same), same, STUDY_CLASSES)
    other = read(tmp_path, arms + "primary: {arm: conservative 9, against: open, class: bones}")
    with pytest.raises(InputError, match=r"primary.class: 'bones' is no class; .* did you mean 'bone'?"):
        check_primary(points_of(other), other, STUDY_CLASSES)


def test_arms_whose_frozen_layers_are_computed_in_each_step_are_named(tmp_path: Path) -> None:
    text = "arms: [{strategy: open}, {strategy: conservative, tuned_layers: [fc, 9]}]\n"
    space = read(tmp_path, text + "training.augmentation: [none, [flips, noise]]")
    (line,) = about_features(points_of(space), STUDY)
    assert line.endswith("not shared by conservative 9, conservative fc")
    assert about_features(points_of(read(tmp_path, text)), STUDY) == []


def test_each_network_preparation_and_seed_is_one_recipe(tmp_path: Path) -> None:
    def recipes(text: str) -> int:
        return len(recipes_of(points_of(read(tmp_path, OPEN + text)), STUDY))

    assert recipes("pretraining_seeds: [0]") == 1, "the folds have the same T1 roles"
    assert recipes("") == 3, "a network for each fold"
    assert recipes("pretraining_seeds: [0, 1]\nnetwork.width: [4, 8]") == 4
    assert recipes("pretraining_seeds: [0]\ntraining.loss: [dice, cross_entropy]") == 1
    assert recipes("pretraining_seeds: [0]\npreparation.bone_above_hu: [300, 600]") == 2
