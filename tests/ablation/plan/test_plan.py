"""A trial is named by what it computes: by all of that, and by nothing else."""

from dataclasses import asdict, replace
from typing import Any

import pytest

from ablation.plan.plan import PlannedTrial, Trial, draft_plan, is_recorded, make_plan, recipes_of
from ablation.plan.recipe import EncoderRecipe
from ablation.plan.study import Study
from ablation.space.points import Point
from t1t2core.cohort.roles import FoldSplit, Roles
from t1t2core.settings import Settings, TrainingSettings
from t1t2core.strategies import STRATEGIES
from t1t2core.training.compute import Device
from tests.builders.settings import names, other, with_values

T1 = Roles(training=("a", "b", "c"), validation=("d",), test=("x", "y"))
FOLD_1 = FoldSplit(1, T1, Roles(training=("a", "b", "c"), validation=("d",), test=("x",)))
FOLD_2 = FoldSplit(2, T1, Roles(training=("d", "b", "c"), validation=("a",), test=("x",)))
ROTATED = FoldSplit(
    2, Roles(training=("x", "y", "c"), validation=("d",), test=("a", "b")), replace(FOLD_2.t2, test=("a",))
)
STUDY = Study(
    settings=Settings(training=TrainingSettings(max_steps=100), pretraining=TrainingSettings(max_steps=100)),
    device=Device(kind="cpu", bfloat16=False),
    cohort_fingerprint="cohort",
    splits=(FOLD_1, FOLD_2),
)
TUNED = Point(
    strategy="conservative",
    tuned_layers=9,
    fusion=None,
    t2_train_size=2,
    learning_rate=1e-3,
    fold=1,
    seed=0,
)
UNTUNED = Point.canonical(strategy="no_fine_tuning", fold=1)
SCRATCH = Point.canonical(strategy="scratch", t2_train_size=2, learning_rate=1e-3, fold=1, seed=0)
RESOLVED = {("training", "learning_rate"), ("training", "precision")}
"""Settings that a factor and the machine decide in the end."""
HYBRID_ALONE = {
    ("network", "hybrid_decoder"),
    ("network", "hybrid_indices"),
    ("network", "hybrid_training"),
    ("training", "batch_size_of_concatenation"),
    ("training", "hybrid_steps_factor"),
}
OF_ARMS = ("training", "match")
OF_STRATEGIES = {
    ("network", "frozen_norm"): "conservative",
    ("network", "gradual_epochs"): "gradual",
    ("network", "lora_rank"): "low_rank",
}
"""Settings that count for one strategy alone, without those of the hybrid."""
HYBRID = Point.canonical(
    strategy="hybrid", fusion="concatenation", t2_train_size=2, learning_rate=1e-3, fold=1, seed=0
)


def trial(point: Point = TUNED, study: Study = STUDY, encoder: str = "encoder") -> Trial:
    """The trial of a point where the pretrained network of its fold is there."""
    (made,) = make_plan([point], study, {study.recipe(point.fold): encoder})
    return made


def key(point: Point = TUNED, study: Study = STUDY, encoder: str = "encoder") -> str:
    made = trial(point, study, encoder).key
    assert made is not None
    return made


def changed(study: Study, group: str, name: str) -> Study:
    """The study with one setting changed."""
    settings = study.settings
    value = other(settings, f"{group}.{name}")
    return replace(study, settings=with_values(settings, {f"{group}.{name}": value}))


# What changes the result changes the key


@pytest.mark.parametrize(
    "factor",
    [
        {"strategy": "open", "tuned_layers": None},
        {"tuned_layers": 12},
        {"tuned_layers": "fc"},
        {"t2_train_size": 3},
        {"learning_rate": 1e-4},
        {"fold": 2},
        {"seed": 1},
    ],
    ids=str,
)
def test_each_factor_counts(factor: dict[str, Any]) -> None:
    assert key(replace(TUNED, **factor)) != key()


@pytest.mark.parametrize(
    ("group", "name"),
    [
        item
        for item in names("training", "network", "preparation")
        if item not in RESOLVED | HYBRID_ALONE and OF_STRATEGIES.get(item, TUNED.strategy) == TUNED.strategy
    ],
)
def test_each_setting_of_training_network_and_preparation_counts(group: str, name: str) -> None:
    assert key(study=changed(STUDY, group, name)) != key()


@pytest.mark.parametrize(("group", "name"), sorted(HYBRID_ALONE))
def test_settings_of_the_hybrid_count_for_the_hybrid_alone(group: str, name: str) -> None:
    study = changed(STUDY, group, name)
    # The same pretrained network serves, so its weights are the same.
    assert key(HYBRID, study) != key(HYBRID)
    for point in (TUNED, UNTUNED, SCRATCH):
        assert key(point, study) == key(point), point.strategy
    assert study.recipe(1).digest == STUDY.recipe(1).digest


@pytest.mark.parametrize(("setting", "strategy"), OF_STRATEGIES.items())
def test_what_one_strategy_alone_has_a_use_for_counts_for_it_alone(
    setting: tuple[str, str], strategy: str
) -> None:
    study = changed(STUDY, *setting)
    for name in STRATEGIES:
        point = Point.canonical(
            strategy=name,
            tuned_layers=9,
            fusion="average",
            t2_train_size=2,
            learning_rate=1e-3,
            fold=1,
            seed=0,
        )
        encoders = {study.recipe(1): "encoder", study.recipe(1, settings=study.settings_of(point)): "encoder"}
        (before,), (after,) = (make_plan([point], each, encoders) for each in (STUDY, study))
        assert (before.key != after.key) == (name == strategy), name
    assert study.recipe(1).digest == STUDY.recipe(1).digest


def test_the_augmented_network_has_the_settings_of_the_t1_network() -> None:
    point = Point.canonical(strategy="augmented", t2_train_size=2, learning_rate=1e-3, fold=1, seed=0)
    assert key(point, changed(STUDY, "pretraining", "max_epochs")) != key(point)
    assert key(point, changed(STUDY, "training", "max_epochs")) == key(point)
    trained = replace(STUDY, splits=(replace(FOLD_1, t1=replace(T1, training=("a", "b"))),))
    assert key(point, trained) != key(point)


def test_whether_surface_distances_are_measured_counts() -> None:
    assert key(study=changed(STUDY, "evaluation", "surface_distances")) != key()


def test_what_chooses_on_validation_counts_where_weights_are_trained() -> None:
    study = changed(STUDY, "evaluation", "choose_by")
    for point in (TUNED, HYBRID, SCRATCH):
        assert key(point, study) != key(point), point.strategy
    adapted = Point.canonical(strategy="norm_adaptation", t2_train_size=2, fold=1)
    for point in (UNTUNED, adapted):
        assert key(point, study) == key(point), point.strategy
    assert study.recipe(1).digest == STUDY.recipe(1).digest


def test_precision_counts_as_it_was_resolved() -> None:
    assert key(study=replace(STUDY, device=Device(kind="cpu", bfloat16=True))) != key()
    asked = replace(STUDY.settings, training=replace(STUDY.settings.training, precision="float32"))
    assert key(study=replace(STUDY, settings=asked)) == key()


def test_the_cohort_counts() -> None:
    assert key(study=replace(STUDY, cohort_fingerprint="another")) != key()


def test_the_encoder_counts_where_one_is_used() -> None:
    assert key(encoder="another") != key()
    assert key(UNTUNED, encoder="another") != key(UNTUNED)
    assert key(SCRATCH, encoder="another") == key(SCRATCH)


@pytest.mark.parametrize("role", ["training", "validation", "test"])
def test_the_patients_count(role: str) -> None:
    exchanged = replace(FOLD_1.t2, **{role: ("p", "q", "r")})
    assert key(study=replace(STUDY, splits=(replace(FOLD_1, t2=exchanged),))) != key()


def test_only_the_patients_that_are_trained_on_count() -> None:
    later = replace(FOLD_1, t2=replace(FOLD_1.t2, training=("a", "b", "z")))
    study = replace(STUDY, splits=(later,))
    assert key(study=study) == key()
    three = replace(TUNED, t2_train_size=3)
    assert key(three, study) != key(three)


def test_the_t1_patients_count_where_they_are_scored() -> None:
    tested = replace(STUDY, splits=(replace(FOLD_1, t1=replace(T1, test=("x", "z"))),))
    assert key(UNTUNED, tested) != key(UNTUNED)
    assert key(TUNED, tested) == key(TUNED)


@pytest.mark.parametrize("point", [TUNED, UNTUNED, SCRATCH], ids=lambda point: point.strategy)
def test_another_version_of_the_science_is_another_result(
    point: Point, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = key(point)
    monkeypatch.setattr("ablation.plan.key.SCIENCE_VERSION", 10_000)
    assert key(point) != before


# What does not change the result does not change the key


@pytest.mark.parametrize(("group", "name"), [("evaluation", "pictures"), *names("pretraining")])
def test_what_the_trial_itself_does_not_compute_with_does_not_count(group: str, name: str) -> None:
    # How the pretrained network was trained is in its digest.
    assert key(study=changed(STUDY, group, name)) == key()


@pytest.mark.parametrize("group", ["training", "pretraining"])
@pytest.mark.parametrize("machine", [{"deterministic": False}, {"micro_batch": 1}], ids=str)
def test_what_changes_a_result_as_another_machine_would_does_not_count(
    group: str, machine: dict[str, Any]
) -> None:
    network = replace(STUDY.settings.network, normalisation="group")  # a step in parts needs it
    usual = replace(STUDY.settings, network=network)
    other = replace(usual, **{group: replace(getattr(usual, group), **machine)})
    here, there = (replace(STUDY, settings=settings) for settings in (usual, other))
    assert key(study=here) == key(study=there)
    assert here.recipe(1).digest == there.recipe(1).digest


@pytest.mark.parametrize(
    "cohort", [{"split_seed": 7}, {"split_file": "roles.csv"}, {"test_patients": "rotated"}], ids=str
)
def test_how_the_roles_came_about_does_not_count(cohort: dict[str, Any]) -> None:
    settings = replace(STUDY.settings, cohort=replace(STUDY.settings.cohort, **cohort))
    assert key(study=replace(STUDY, settings=settings)) == key()


def test_the_default_learning_rate_does_not_count_where_a_factor_sets_it() -> None:
    assert key(study=changed(STUDY, "training", "learning_rate")) == key()


@pytest.mark.parametrize("name", ["max_steps", "max_epochs", "loss", "batch_size", "validate_every"])
def test_settings_of_the_training_do_not_count_where_nothing_is_trained(name: str) -> None:
    assert key(UNTUNED, changed(STUDY, "training", name)) == key(UNTUNED)


@pytest.mark.parametrize("name", ["patch", "stride"])
def test_patches_count_even_where_nothing_is_trained(name: str) -> None:
    # Scans are labelled patch by patch.
    assert key(UNTUNED, changed(STUDY, "training", name)) != key(UNTUNED)


# Encoders


def test_folds_with_the_same_t1_patients_share_an_encoder() -> None:
    points = [replace(TUNED, fold=fold) for fold in (1, 2)]
    assert recipes_of(points, STUDY) == [STUDY.recipe(1)]


def test_rotated_folds_have_an_encoder_each() -> None:
    study = replace(STUDY, splits=(FOLD_1, ROTATED))
    points = [replace(TUNED, fold=fold, seed=seed) for fold in (1, 2) for seed in (0, 1)]
    assert recipes_of(points, study) == [study.recipe(1), study.recipe(2)]
    assert study.recipe(1).digest != study.recipe(2).digest


def test_scratch_needs_no_encoder() -> None:
    assert recipes_of([SCRATCH], STUDY) == []
    (made,) = make_plan([SCRATCH], STUDY, {})
    assert (made.recipe, made.encoder) == (None, None)
    assert made.key == trial(SCRATCH).key


def test_a_trial_has_no_key_until_its_encoder_is_there() -> None:
    planned, keyed = draft_plan([TUNED, SCRATCH], STUDY, {})
    assert type(planned) is PlannedTrial
    assert planned.recipe == STUDY.recipe(1)
    assert keyed == trial(SCRATCH)
    assert draft_plan([TUNED], STUDY, {STUDY.recipe(1): "encoder"}) == [trial(TUNED)]
    assert trial(TUNED).encoder == "encoder"
    with pytest.raises(KeyError):
        make_plan([TUNED], STUDY, {})


def test_a_trial_without_a_key_is_not_recorded() -> None:
    (planned,) = draft_plan([TUNED], STUDY, {})
    assert not is_recorded(planned, {"", "None"})
    assert is_recorded(trial(), {trial().key})
    assert not is_recorded(trial(), {trial(SCRATCH).key})


def test_a_plan_takes_for_each_fold_the_encoder_of_its_own_recipe() -> None:
    study = replace(STUDY, splits=(FOLD_1, ROTATED))
    points = [replace(TUNED, fold=fold) for fold in (2, 1)]
    made = make_plan(points, study, {study.recipe(1): "first", study.recipe(2): "second"})
    assert [trial.encoder for trial in made] == ["second", "first"]


@pytest.mark.parametrize(
    ("group", "name"),
    [
        item
        for item in names("pretraining", "network", "preparation")
        if item[1] != "precision"
        and ("training", item[1]) not in HYBRID_ALONE | {OF_ARMS}
        and item not in HYBRID_ALONE | OF_STRATEGIES.keys()
    ],
)
def test_each_setting_that_an_encoder_is_made_with_is_in_its_recipe(group: str, name: str) -> None:
    assert changed(STUDY, group, name).recipe(1).digest != STUDY.recipe(1).digest


@pytest.mark.parametrize(
    "change",
    [
        {"cohort_fingerprint": "another"},
        {"training": ("a", "b")},
        {"validation": ("a",)},
        {"precision": "bfloat16"},
        {"science": 10_000},
    ],
    ids=str,
)
def test_what_an_encoder_is_made_from_is_in_its_recipe(change: dict[str, Any]) -> None:
    recipe = STUDY.recipe(1)
    assert replace(recipe, **change).digest != recipe.digest


@pytest.mark.parametrize("group", ["training", "evaluation", "cohort"])
def test_an_encoder_is_reused_whatever_is_trained_from_it(group: str) -> None:
    for _, name in names(group):
        if name in (
            *("exclude", "split_file", "leave_one_out", "session", "run", "select", "labels"),
            *("source", "target", "classes", "others", "background"),
        ):
            continue  # they show in the cohort's fingerprint and in the roles
        assert changed(STUDY, group, name).recipe(1) == STUDY.recipe(1), name


def test_the_order_of_the_t1_patients_does_not_make_another_encoder() -> None:
    backwards = replace(FOLD_1, t1=replace(T1, training=T1.training[::-1]))
    assert replace(STUDY, splits=(backwards,)).recipe(1).digest == STUDY.recipe(1).digest


def test_a_recipe_survives_being_written_down() -> None:
    recipe: EncoderRecipe = STUDY.recipe(1)
    assert asdict(recipe)["training"] == ("a", "b", "c")
    assert len(recipe.digest) == 64


def test_a_trial_knows_its_factors_and_leaves_those_without_meaning_empty() -> None:
    assert trial(UNTUNED).factors == {
        "strategy": "no_fine_tuning",
        "pretraining_seed": None,
        "tuned_layers": None,
        "fusion": None,
        "t2_train_size": None,
        "learning_rate": None,
        "fold": 1,
        "seed": None,
    }
