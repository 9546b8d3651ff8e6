"""The architecture is a setting that is varied like any other, and decides which others make trials."""

from pathlib import Path

import pytest

from ablation.plan.key import Keys
from ablation.plan.study import Study
from ablation.space.points import Point, expand
from ablation.sweep.variants import check_variants
from t1t2core.cohort.roles import FoldSplit, Roles
from t1t2core.errors import InputError
from t1t2core.network import own
from t1t2core.presets import PRESETS
from t1t2core.settings import NetworkSettings, Settings
from t1t2core.training.compute import Device
from tests.builders.spaces import read

ROLES = Roles(("a", "b", "c"), ("d",), ("e",))
SPLIT = FoldSplit(1, t1=ROLES, t2=ROLES)
OWN = "docs.own_network:Small"


def study_of(settings: Settings) -> Study:
    device = Device(kind="cpu", bfloat16=False)
    return Study(settings=settings, device=device, cohort_fingerprint="cohort", splits=(SPLIT,))


STUDY = study_of(PRESETS["demo"])


def told_of(tmp_path: Path, text: str) -> str:
    space = read(tmp_path, text)
    with pytest.raises(InputError) as refused:
        check_variants(expand(space, STUDY.settings), STUDY, space.source)
    return str(refused.value)


def test_settings_of_the_studys_network_multiply_no_trial_of_another(tmp_path: Path) -> None:
    text = """
arms: [{strategy: open}]
folds: [1]
network: {architecture: [excitation, unet], attention: [channel, none], unpooling: [indices, nearest]}
"""
    points = expand(read(tmp_path, text), STUDY.settings)
    assert len(points) == 5
    (unet,) = [point for point in points if dict(point.settings)["network.architecture"] == "unet"]
    assert unet.settings == (("network.architecture", "unet"),)
    width = text.replace("}\n", ", width: [4, 8]}\n", 2).replace("open, width: [4, 8]", "open")
    assert len(expand(read(tmp_path, width), STUDY.settings)) == 10


def test_what_means_nothing_to_a_network_is_in_no_key_and_no_recipe() -> None:
    point = Point.canonical(strategy="open", fold=1, t2_train_size=2, learning_rate=1e-3, seed=0)
    keys, recipes = set(), set()
    for network in (
        NetworkSettings(architecture="unet"),
        NetworkSettings(architecture="unet", attention="none", normalisation="group", unpooling="nearest"),
    ):
        study = study_of(Settings(network=network))
        keys.add(Keys(study).of(point, SPLIT, "encoder"))
        recipes.add(study.recipe(1).digest)
    assert len(keys) == len(recipes) == 1
    plain = study_of(Settings())
    assert Keys(plain).of(point, SPLIT, "encoder") not in keys
    assert plain.recipe(1).digest not in recipes


def test_the_source_of_an_own_class_is_in_keys_and_recipes(monkeypatch: pytest.MonkeyPatch) -> None:
    point = Point.canonical(strategy="open", fold=1, t2_train_size=2, learning_rate=1e-3, seed=0)
    study = study_of(Settings(network=NetworkSettings(architecture=OWN)))
    before = Keys(study).of(point, SPLIT, "encoder"), study.recipe(1).digest
    monkeypatch.setattr(own, "digest_of_source", lambda _: "changed")
    after = Keys(study).of(point, SPLIT, "encoder"), study.recipe(1).digest
    assert before[0] != after[0]
    assert before[1] != after[1]


def test_as_many_layers_as_a_network_has_are_the_strategy_open() -> None:
    for architecture, layers in (("excitation", 21), ("unet", 13), ("dynunet", 17), (OWN, 6)):
        point = Point.canonical(
            strategy="conservative", tuned_layers=layers, fold=1, architecture=architecture
        )
        assert (point.strategy, point.tuned_layers) == ("open", None), architecture
    fewer = Point.canonical(strategy="conservative", tuned_layers=13, fold=1, architecture="dynunet")
    assert (fewer.strategy, fewer.tuned_layers) == ("conservative", 13)


def test_a_depth_that_one_of_the_networks_lacks_is_refused(tmp_path: Path) -> None:
    told = told_of(
        tmp_path,
        "arms: [{strategy: conservative, tuned_layers: [3, 9, 30]}]\nnetwork.architecture: [unet, dynunet]",
    )
    assert "tuned_layers: 30: unet has 13 convolutions" in told
    assert "tuned_layers: 30: dynunet has 17 convolutions" in told
    assert "tuned_layers: 3" not in told.replace("tuned_layers: 30", "")


def test_the_nearest_patch_that_fits_is_named(tmp_path: Path) -> None:
    told = told_of(tmp_path, "arms: [{strategy: open, network.architecture: swin_unetr, network.width: 12}]")
    assert "training.patch: 32 x 40 x 24" in told
    assert "the nearest is 32 x 64 x 32" in told


def test_a_name_that_no_network_has_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"one of excitation, unet, .* or PACKAGE\.MODULE:CLASS"):
        read(tmp_path, "arms: [{strategy: open}]\nnetwork.architecture: [unett]")


def test_a_class_that_cannot_be_imported_is_refused(tmp_path: Path) -> None:
    told = told_of(tmp_path, "arms: [{strategy: open, network.architecture: 'nowhere.nets:Net'}]")
    assert "nowhere.nets:Net cannot be imported" in told
    assert "on every machine that trains" in told
