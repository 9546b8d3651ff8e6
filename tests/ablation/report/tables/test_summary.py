"""The table at the end: each arm at the learning rate that validation chose, its scores those of the test."""

import io
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from ablation.record.results import RESULTS
from ablation.report.tables.choice import chosen
from ablation.report.tables.summary import learning_rates, never_predicted, render, summarise
from t1t2core.cohort.subject import Sequences
from tests.builders.tables import frame_of

CLASSES = ("bone", "soft_tissue", "air", "internal_air")


def rows_of(
    strategy: str = "conservative",
    layers: str | None = "9",
    rate: float | None = 1e-3,
    *,
    validation: float,
    test: float,
    fold: int = 1,
    size: int | None = 8,
    sequence: str = "T2",
    seconds: float = 10.0,
    **changes: Any,
) -> list[dict[str, Any]]:
    """Rows of a trial whose classes all score the same, as `results.csv` has them."""
    common = {
        "trial_key": f"{strategy} {layers} {rate} {fold} {size}",
        "strategy": strategy,
        "tuned_layers": layers,
        "fusion": None,
        "t2_train_size": size,
        "learning_rate": rate,
        "fold": fold,
        "seed": None if rate is None else 0,
        "sequence": sequence,
        **{"tp": 10, "fp": 1, "fn": 1, "standalone_seconds": seconds},
        **changes,
    }
    scores = {("validation", "best"): validation, ("test", "best"): test, ("test", "last"): 0.0}
    return [
        {**common, "split": split, "weights": weights, "class": name, "dsc": value}
        for (split, weights), value in scores.items()
        for name in CLASSES
    ]


def table_of(*trials: list[dict[str, Any]]) -> pd.DataFrame:
    return frame_of([row for trial in trials for row in trial], RESULTS)


def untuned(**changes: Any) -> list[dict[str, Any]]:
    given = {"validation": 0.2, "test": 0.25} | changes
    return rows_of("no_fine_tuning", None, None, size=None, **given)


# The choice


def test_the_learning_rate_with_the_best_validation_is_chosen_whatever_the_test_says() -> None:
    results = table_of(
        rows_of(rate=1e-2, validation=0.5, test=0.9),
        rows_of(rate=1e-3, validation=0.6, test=0.1),
        rows_of(rate=1e-4, validation=0.4, test=0.8),
    )
    assert set(chosen(results)["learning_rate"]) == {1e-3}
    (row,) = summarise(results).to_dict("records")
    assert (row["learning_rate"], row["bone"]) == (1e-3, 0.1)


def test_the_choice_is_made_over_all_folds() -> None:
    results = table_of(
        rows_of(rate=1e-2, fold=1, validation=0.9, test=0.1),
        rows_of(rate=1e-2, fold=2, validation=0.1, test=0.3),
        rows_of(rate=1e-3, fold=1, validation=0.6, test=0.4),
        rows_of(rate=1e-3, fold=2, validation=0.6, test=0.6),
    )
    (row,) = summarise(results).to_dict("records")
    assert row["learning_rate"] == 1e-3
    assert row["bone"] == pytest.approx(0.5)
    assert row["folds"] == 2


def test_each_arm_and_each_training_size_chooses_for_itself() -> None:
    results = table_of(
        rows_of(layers="fc", rate=1e-2, validation=0.5, test=0.5),
        rows_of(layers="fc", rate=1e-3, validation=0.4, test=0.4),
        rows_of(layers="9", rate=1e-2, validation=0.4, test=0.4),
        rows_of(layers="9", rate=1e-3, validation=0.5, test=0.5),
        rows_of(layers="9", rate=1e-2, size=2, validation=0.5, test=0.5),
        rows_of(layers="9", rate=1e-3, size=2, validation=0.4, test=0.4),
    )
    summary = summarise(results).set_index(["tuned_layers", "t2_train_size"])
    assert summary["learning_rate"].to_dict() == {("fc", 8): 1e-2, ("9", 8): 1e-3, ("9", 2): 1e-2}


def test_a_class_that_is_absent_counts_as_a_miss() -> None:
    lucky = rows_of(rate=1e-2, validation=0.7, test=0.5)
    for row in lucky:
        if row["class"] == "bone":
            row["dsc"] = np.nan
    results = table_of(lucky, rows_of(rate=1e-3, validation=0.6, test=0.5))
    assert set(chosen(results)["learning_rate"]) == {1e-3}


def test_internal_air_and_the_last_weights_play_no_part() -> None:
    rows = rows_of(rate=1e-2, validation=0.5, test=0.5)
    for row in rows:
        if row["class"] == "internal_air":
            row["dsc"] = 1.0
    results = table_of(rows, rows_of(rate=1e-3, validation=0.6, test=0.5))
    assert set(chosen(results)["learning_rate"]) == {1e-3}


def test_an_arm_without_a_learning_rate_is_kept() -> None:
    results = table_of(untuned(), rows_of(validation=0.5, test=0.5))
    assert len(chosen(results)) == len(results)


# The table


def test_arms_stand_in_the_order_of_the_plan_with_their_means() -> None:
    results = table_of(
        untuned(fold=1, test=0.2),
        untuned(fold=2, test=0.4),
        rows_of(layers="fc", fold=1, validation=0.5, test=0.5, seconds=10),
        rows_of(layers="fc", fold=2, validation=0.5, test=0.7, seconds=20),
        rows_of("open", None, validation=0.5, test=0.75),
    )
    summary = summarise(results)
    assert list(summary["strategy"]) == ["no_fine_tuning", "conservative", "open"]
    assert list(summary["bone"]) == pytest.approx([0.3, 0.6, 0.75])
    assert list(summary["seconds"]) == [10, 15, 10]
    assert list(summary["folds"]) == [2, 2, 1]


def test_t1_scores_are_a_row_of_their_own() -> None:
    results = table_of(untuned(test=0.2), untuned(test=0.8, sequence="T1"))
    summary = summarise(results).set_index("sequence")
    assert summary["bone"].to_dict() == {"T2": 0.2, "T1": 0.8}


def test_the_terminal_shows_every_arm_and_says_what_is_undefined() -> None:
    rows = rows_of(layers="fc", rate=1e-3, validation=0.5, test=0.5)
    for row in rows:
        if row["class"] == "internal_air":
            row["dsc"] = np.nan
    console = Console(width=160, record=True, file=io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))
    summary = summarise(table_of(untuned(), rows))
    console.print(render(summary, "mine: mean test DSC", Sequences(target="FLAIR")))
    text = console.export_text()
    assert "mine: mean test DSC" in text
    (line,) = [line for line in text.splitlines() if "conservative fc" in line]
    cells = [cell.strip() for cell in line.strip("│ ").split("│")]
    expected = ["conservative fc", "FLAIR", "8", "0.001", "0.500", "0.500", "0.500", "undefined", "10.0", "1"]
    assert cells == expected


def test_the_choice_is_shown_with_what_it_was_made_from() -> None:
    results = table_of(
        untuned(),
        rows_of(rate=1e-2, fold=1, validation=0.4, test=0.9),
        rows_of(rate=1e-2, fold=2, validation=0.6, test=0.9),
        rows_of(rate=1e-3, fold=1, validation=0.7, test=0.1),
        rows_of(rate=1e-3, fold=2, validation=0.7, test=0.1),
    )
    table = learning_rates(results).set_index("learning_rate")
    assert table["mean"].to_dict() == pytest.approx({1e-2: 0.5, 1e-3: 0.7})
    assert table["bone"].to_dict() == pytest.approx({1e-2: 0.5, 1e-3: 0.7})
    assert table["chosen"].to_dict() == {1e-2: False, 1e-3: True}


# Warnings


def test_a_class_that_is_never_predicted_is_named_with_its_trial() -> None:
    rows = rows_of(layers="fc", rate=1e-3, validation=0.1, test=0.1)
    for row in rows:
        if row["class"] in ("bone", "internal_air"):
            row |= {"tp": 0, "fp": 0}
    sentences = never_predicted(table_of(rows, untuned()))
    assert sentences == [
        "bone is never predicted by strategy conservative, tuned_layers fc, t2_train_size 8, "
        "learning_rate 0.001, fold 1, seed 0"
    ]


def test_nothing_is_said_where_every_class_is_predicted() -> None:
    assert never_predicted(table_of(untuned(), rows_of(validation=0.5, test=0.5))) == []
