"""A reader tells trials apart by names that say only what differs."""

from pathlib import Path

import pandas as pd

from ablation.space.naming import arm_name, arm_names, trial_names
from ablation.space.points import Point, expand, named_by_change
from t1t2core.settings import Settings
from tests.builders.spaces import read


def tuned(layers: object = 9, rate: float = 1e-3, fold: int = 1, seed: int = 0, size: int = 8) -> Point:
    return Point.canonical(
        strategy="conservative",
        tuned_layers=layers,  # type: ignore[arg-type]
        t2_train_size=size,
        learning_rate=rate,
        fold=fold,
        seed=seed,
    )


def test_an_arm_is_named_by_its_strategy_and_what_belongs_to_it() -> None:
    assert arm_name("open", None, None) == "open"
    assert arm_name("conservative", "fc", "") == "conservative fc"
    assert arm_name("hybrid", None, "average") == "hybrid average"


def test_a_factor_with_one_value_is_left_out() -> None:
    assert trial_names([tuned("fc"), tuned(9)]) == ["conservative fc", "conservative 9"]


def test_factors_that_differ_are_shown() -> None:
    points = [tuned(rate=rate, fold=fold) for rate in (1e-2, 1e-4) for fold in (1, 2)]
    assert trial_names(points) == [
        "conservative 9 lr=0.01 fold=1",
        "conservative 9 lr=0.01 fold=2",
        "conservative 9 lr=0.0001 fold=1",
        "conservative 9 lr=0.0001 fold=2",
    ]


def test_sizes_and_seeds_are_shown() -> None:
    points = [tuned(size=size, seed=seed) for size in (2, 8) for seed in (0, 1)]
    assert trial_names(points)[1] == "conservative 9 size=2 seed=1"


def test_a_factor_that_means_nothing_to_a_strategy_is_no_part_of_its_name() -> None:
    none = Point.canonical(strategy="no_fine_tuning", fold=1)
    assert trial_names([none, tuned(rate=1e-2), tuned(rate=1e-3)])[0] == "no_fine_tuning"


def test_what_only_some_arms_give_is_named_where_it_is_not_what_the_others_have(tmp_path: Path) -> None:
    text = """
        folds: [1]
        learning_rate: [1.0e-3]
        network.width: [4, 8]
        arms:
          - strategy: no_fine_tuning
          - strategy: open
          - {strategy: open, training.layer_decay: [0.5, 1]}
          - {strategy: low_rank, network.lora_rank: [1, 4]}
    """
    settings = Settings()
    space = named_by_change(read(tmp_path, text), settings)
    points = expand(space, settings)
    named = [
        "no_fine_tuning width=4",
        "no_fine_tuning width=8",
        "open width=4",
        "open width=8",
        "open width=4 layer_decay=0.5",
        "open width=8 layer_decay=0.5",
        "low_rank width=4 lora_rank=1",
        "low_rank width=4 lora_rank=4",
        "low_rank width=8 lora_rank=1",
        "low_rank width=8 lora_rank=4",
    ]
    arms = arm_names(pd.DataFrame([point.values for point in points], dtype=object), space.design)
    assert arms.tolist() == trial_names(points, space.design) == named


def test_different_trials_have_different_names() -> None:
    points = [
        tuned(layers, rate, fold, seed, size)
        for layers in ("fc", 3)
        for rate in (1e-2, 1e-3)
        for fold in (1, 2)
        for seed in (0, 1_000_001, 1_000_002)
        for size in (2, 8)
    ]
    assert len(set(trial_names(points))) == len(points)
