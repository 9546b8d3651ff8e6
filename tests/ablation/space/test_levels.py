"""A researcher varies settings: what a list means wherever it stands, and what is refused, and why."""

from pathlib import Path

import pytest

from ablation.space.naming import trial_names
from ablation.space.points import Point, expand
from ablation.space.space import Space
from t1t2core.settings import Settings
from tests.builders.spaces import read, refusal

ONE_FOLD = "folds: [1]\nlearning_rate: [1.0e-3]\n"
OPEN = ONE_FOLD + "arms: [{strategy: open}]\n"


def points_of(space: Space) -> tuple[Point, ...]:
    return expand(space, Settings())


def chosen(space: Space, name: str) -> list[object]:
    return [dict(point.settings).get(name) for point in points_of(space)]


# Where a setting stands


@pytest.mark.parametrize(
    "text",
    [
        OPEN + "training: {loss: [dice, cross_entropy]}",
        OPEN + "training.loss: [dice, cross_entropy]",
        ONE_FOLD + "arms: [{strategy: open, training: {loss: [dice, cross_entropy]}}]",
        ONE_FOLD + "arms: [{strategy: open, training.loss: [dice, cross_entropy]}]",
    ],
    ids=["group at the top", "dotted at the top", "group in an arm", "dotted in an arm"],
)
def test_a_list_varies_a_setting_wherever_it_stands(tmp_path: Path, text: str) -> None:
    assert chosen(read(tmp_path, text), "training.loss") == ["dice", "cross_entropy"]


def test_one_value_at_the_top_fixes_a_setting_for_all_and_varies_nothing(tmp_path: Path) -> None:
    space = read(tmp_path, OPEN + "training.loss: dice\nnetwork: {}")
    assert space.settings == {"training": {"loss": "dice"}}
    assert space.design.settings == ()
    assert len(points_of(space)) == 1


def test_one_value_in_an_arm_is_for_that_arm_alone(tmp_path: Path) -> None:
    space = read(tmp_path, ONE_FOLD + "arms: [{strategy: open}, {strategy: open, training: {loss: dice}}]")
    assert chosen(space, "training.loss") == [Settings().training.loss, "dice"]


def test_an_arm_has_its_own_values_in_place_of_those_at_the_top(tmp_path: Path) -> None:
    space = read(
        tmp_path,
        ONE_FOLD + "training.loss: [cross_entropy, cross_entropy_dice]\n"
        "arms: [{strategy: open}, {strategy: conservative, tuned_layers: 9, training.loss: dice}]",
    )
    assert chosen(space, "training.loss") == ["cross_entropy", "cross_entropy_dice", "dice"]


def test_equal_arms_are_one(tmp_path: Path) -> None:
    space = read(
        tmp_path, ONE_FOLD + "network.attention: [none, channel]\narms: [{strategy: open}, {strategy: open}]"
    )
    assert chosen(space, "network.attention") == ["none", "channel"]


def test_the_strategy_may_stand_at_the_top(tmp_path: Path) -> None:
    space = read(
        tmp_path, ONE_FOLD + "strategy: open\narms: [{training.loss: dice}, {training.loss: cross_entropy}]"
    )
    assert chosen(space, "training.loss") == ["dice", "cross_entropy"]


# Values


def test_one_value_of_a_shape_is_a_list_and_several_are_a_list_of_lists(tmp_path: Path) -> None:
    fixed = read(tmp_path, OPEN + "training: {patch: [16, 24, 16]}")
    varied = read(tmp_path, OPEN + "training: {patch: [[16, 24, 16], [32, 24, 16]]}")
    assert fixed.settings == {"training": {"patch": [16, 24, 16]}}
    assert not fixed.design.settings
    assert chosen(varied, "training.patch") == [(16, 24, 16), (32, 24, 16)]


def test_none_and_a_list_are_two_values_of_what_is_a_list(tmp_path: Path) -> None:
    space = read(tmp_path, OPEN + "training.augmentation: [none, [flips, noise]]")
    assert chosen(space, "training.augmentation") == [(), ("flips", "noise")]


def test_null_is_a_value_where_the_setting_may_be_null(tmp_path: Path) -> None:
    assert chosen(read(tmp_path, OPEN + "training.gradient_clip: [null, 1]"), "training.gradient_clip") == [
        None,
        1.0,
    ]


def test_a_search_samples_a_setting_from_a_range(tmp_path: Path) -> None:
    space = read(
        tmp_path,
        OPEN + "training.weight_decay: {log_uniform: [1.0e-5, 1.0e-3]}\nsearch: {method: optuna, trials: 5}",
    )
    assert chosen(space, "training.weight_decay") == [1e-5, 1e-3], "the two ends"


def test_a_point_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    space = read(
        tmp_path,
        OPEN + "training: {patch: [[16, 24, 16], [32, 24, 16]], augmentation: [none, [flips]], "
        "gradient_clip: [null, 0.5], batch_size: [1, 2]}\npretraining_seeds: [0, 7]",
    )
    points = points_of(space)
    assert len(points) == 2 * 2 * 2 * 2 * 2
    assert tuple(Point.from_json(point.to_json()) for point in points) == points


# What is refused, and why


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            OPEN + "training: {loss: [dice, cross_entropy]}\ntraining.loss: dice",
            "training.loss: there twice, in its group and by its dotted name",
        ),
        (
            ONE_FOLD + "arms: [{strategy: open, training: {loss: dice}, training.loss: dice}]",
            "arms[0].training.loss: there twice",
        ),
        (OPEN + "training.weight_decay: [1e-3, 0.001]", "training.weight_decay: 0.001 is there twice"),
        (OPEN + "training.patch: [[16, 24, 16], [16, 24, 16]]", "is there twice; leave one out"),
        (OPEN + "cohort.split_seed: [0, 1]", "it changes who is tested"),
        (OPEN + "evaluation: {surface_distances: [true, false]}", "it changes by what trials are tested"),
        (
            ONE_FOLD + "arms: [{strategy: open, evaluation.pictures: 1}]",
            "arms[0].evaluation.pictures: evaluation settings are the same in all trials",
        ),
        (OPEN + "training.los: [dice, cross_entropy]", "did you mean loss?"),
        (OPEN + "training.loss: [dice, cross_entrpy]", "did you mean 'cross_entropy'?"),
        (OPEN + "trainin.loss: [dice, cross_entropy]", "did you mean training?"),
        (OPEN + "training.loss: []", "training.loss: an empty list"),
        (OPEN + "training.learning_rate: [1.0e-3, 1.0e-4]", "it is the factor learning_rate: vary that"),
        (
            ONE_FOLD + "arms: [{strategy: open, training.learning_rate: 1.0e-3}]",
            "arms[0].training.learning_rate: it is the factor learning_rate: vary that",
        ),
        (OPEN + "training.batch_size: [[1], 2]", "training.batch_size[0]:"),
        (OPEN + "training.batch_size: [0, 2]", "training.batch_size[0]:"),
        (OPEN + "training.loss: ['dïce', dice]", "training.loss[0]:"),
        (
            OPEN + "network.hybrid_decoder: [random, pretrained]",
            "network.hybrid_decoder: no arm has a use for it; it is for hybrid",
        ),
        (
            ONE_FOLD + "arms: [{strategy: open}, {strategy: no_fine_tuning, training.loss: dice}]",
            "arms[1].training.loss: no_fine_tuning has no use for it",
        ),
        (OPEN + "training.loss: {uniform: [0, 1]}", "its values are no numbers"),
        (OPEN + "training.batch_size: [true, 2]", "training.batch_size[0]: Input should be a number"),
        (OPEN + "tune: [training.loss]", "tune: training.loss is not varied"),
        (
            OPEN + "training.loss: [dice, cross_entropy]\ntune: [training.los]",
            "did you mean 'training.loss'?",
        ),
        (OPEN + "tune: [seed]", "tune: seed is replicated: it is averaged, not chosen"),
        (OPEN + "tune: [folds]", "tune: folds is replicated"),
        (OPEN + "tune: [pretraining_seeds]", "tune: pretraining_seeds is replicated"),
        (OPEN + "tune: [tuned_layers]", "tune: tuned_layers is not varied: no arm has several values"),
        (OPEN + "pretraining_seeds: [by_fold, 1]", "pretraining_seeds"),
        (OPEN + "pretraining_seeds: [0, 0]", "pretraining_seeds: 0 is there twice"),
        (OPEN + "design: one_at_time", "did you mean one_at_a_time?"),
        (
            ONE_FOLD
            + "design: one_at_a_time\narms: [{strategy: open, training.loss: [dice, cross_entropy]}, "
            "{strategy: hybrid, fusion: average, training.loss: [cross_entropy, dice]}]",
            "arms[1].training.loss: begins with cross_entropy, in an arm before with dice",
        ),
        (
            OPEN + "design: one_at_a_time\nsearch: {method: optuna, trials: 3}",
            "design: one_at_a_time: a search samples its points",
        ),
        (
            OPEN + "training.weight_decay: {log_uniform: [1.0e-5, 1.0e-3]}",
            "training.weight_decay: a range, of which grid cannot try every value",
        ),
        (
            ONE_FOLD + "arms: [{strategy: open, training.weight_decay: {uniform: [0.1, 0.5]}}]",
            "- arms[0].training.weight_decay: a range, of which grid cannot try every value",
        ),
        (
            OPEN + "training.batch_size: {log_uniform: [1, 4]}\nsearch: {method: optuna, trials: 3}",
            "training.batch_size:",
        ),
        (
            OPEN + "training.beta1: {uniform: [0.5, 1.5]}\nsearch: {method: optuna, trials: 3}",
            "training.beta1:",
        ),
        (OPEN + "training: [1, 2]", "training"),
        (OPEN + "training: {[1]: 2}", "training"),
    ],
)
def test_what_cannot_be_varied_is_refused_with_the_reason(tmp_path: Path, text: str, told: str) -> None:
    assert told in refusal(tmp_path, text)


def test_a_setting_is_read_even_if_no_strategy_of_the_space_is_known(tmp_path: Path) -> None:
    message = refusal(tmp_path, "arms: [{strategy: opn, training.los: dice}]\ntraining.loss: [dice, ds]")
    assert "did you mean open?" in message
    assert "did you mean loss?" in message


# Designs


def test_a_grid_has_every_combination(tmp_path: Path) -> None:
    space = read(tmp_path, OPEN + "training.loss: [dice, cross_entropy]\nnetwork.attention: [none, channel]")
    assert [dict(point.settings) for point in points_of(space)] == [
        {"training.loss": "dice", "network.attention": "none"},
        {"training.loss": "dice", "network.attention": "channel"},
        {"training.loss": "cross_entropy", "network.attention": "none"},
        {"training.loss": "cross_entropy", "network.attention": "channel"},
    ]


ABLATION = (
    "design: one_at_a_time\narms: [{strategy: open}]\ntraining.loss: [dice, cross_entropy]\n"
    "network.attention: [none, channel, spatial]\n"
)


def test_one_at_a_time_changes_one_thing_of_the_reference(tmp_path: Path) -> None:
    space = read(tmp_path, ABLATION + ONE_FOLD)
    assert [dict(point.settings) for point in points_of(space)] == [
        {"training.loss": "dice", "network.attention": "none"},
        {"training.loss": "cross_entropy", "network.attention": "none"},
        {"training.loss": "dice", "network.attention": "channel"},
        {"training.loss": "dice", "network.attention": "spatial"},
    ]
    assert trial_names(points_of(space), space.design) == [
        "open",
        "open loss=cross_entropy",
        "open attention=channel",
        "open attention=spatial",
    ]


def test_tuned_and_replicated_factors_are_crossed_with_every_arm_of_one_at_a_time(tmp_path: Path) -> None:
    space = read(
        tmp_path,
        ABLATION + "tune: [learning_rate, training.weight_decay]\nlearning_rate: [1.0e-2, 1.0e-3]\n"
        "training.weight_decay: [0.0, 5.0e-4]\nfolds: [1, 2]\nseeds: [0, 1]\npretraining_seeds: [0, 1, 2]",
    )
    points = points_of(space)
    arms = {tuple(v for n, v in point.settings if n != "training.weight_decay") for point in points}
    assert len(arms) == 4
    assert len(points) == len(set(points)) == 4 * 2 * 2 * 2 * 2 * 3
    assert "training.weight_decay" not in space.design.compared


def test_a_factor_with_one_value_is_allowed_in_one_at_a_time(tmp_path: Path) -> None:
    space = read(tmp_path, OPEN + "design: one_at_a_time\ntraining.loss: [dice]")
    assert chosen(space, "training.loss") == ["dice"]


def test_the_learning_rate_is_compared_where_tune_leaves_it_out(tmp_path: Path) -> None:
    rates = "learning_rate: [1.0e-3, 1.0e-4]\nfolds: [1]\narms: [{strategy: open}]\n"
    tuned = read(tmp_path, rates)
    compared = read(tmp_path, rates + "training.weight_decay: [0.0, 5.0e-4]\ntune: training.weight_decay")
    assert "learning_rate" not in tuned.design.compared
    assert "learning_rate" in compared.design.compared
    assert "training.weight_decay" not in compared.design.compared


# What counts for what


def test_the_loss_makes_no_second_trial_of_what_is_not_trained(tmp_path: Path) -> None:
    space = read(
        tmp_path,
        ONE_FOLD + "training.loss: [dice, cross_entropy]\nnetwork.attention: [none, channel]\n"
        "arms: [{strategy: no_fine_tuning}, {strategy: open}]",
    )
    points = points_of(space)
    assert [p.strategy for p in points] == ["no_fine_tuning"] * 2 + ["open"] * 4
    assert [dict(p.settings) for p in points[:2]] == [
        {"network.attention": "none"},
        {"network.attention": "channel"},
    ]


def test_settings_of_hybrids_multiply_hybrids_alone(tmp_path: Path) -> None:
    space = read(
        tmp_path,
        ONE_FOLD + "network.hybrid_decoder: [random, pretrained]\n"
        "arms: [{strategy: open}, {strategy: hybrid, fusion: average}]",
    )
    assert [p.strategy for p in points_of(space)] == ["open", "hybrid", "hybrid"]


def test_seeds_of_pretraining_multiply_nothing_that_starts_afresh(tmp_path: Path) -> None:
    space = read(
        tmp_path,
        ONE_FOLD + "pretraining_seeds: [0, 1]\narms: [{strategy: scratch}, {strategy: open}]",
    )
    assert [p.strategy for p in points_of(space)] == ["scratch", "open", "open"]


def test_seeds_of_a_network_that_is_given_mean_nothing(tmp_path: Path) -> None:
    space = read(tmp_path, OPEN + "pretraining_seeds: [0, 1]")
    assert [p.pretraining_seed for p in expand(space, Settings(), pretrained=True)] == [None]


def test_by_fold_each_fold_has_a_network_that_all_its_arms_share(tmp_path: Path) -> None:
    space = read(
        tmp_path,
        "arms: [{strategy: no_fine_tuning}, {strategy: open}]\nfolds: [1, 2]\nlearning_rate: [1.0e-3]",
    )
    assert {(p.fold, p.pretraining_seed) for p in points_of(space)} == {(1, 0), (2, 1)}
