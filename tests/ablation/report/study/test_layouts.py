"""The tables of the study, from our results."""

import math

import pandas as pd
import pytest

from ablation.report.study.layouts import TITLES, study_tables
from ablation.report.study.paper import corrected
from t1t2core.evaluation.scores import METRICS
from tests.builders.results import results_of, study_results, trial, untuned

TISSUES = ("bone", "soft_tissue", "air")


@pytest.fixture(scope="module")
def study() -> dict[str, pd.DataFrame]:
    return study_tables(study_results())


def test_the_studys_folds_give_the_studys_tables(study: dict[str, pd.DataFrame]) -> None:
    """Rows in its order, a row a fold, then the mean of the folds metric by metric."""
    for number in (3, 4, 5):
        cells = corrected().query("table == @number")
        theirs = cells["corrected"].to_numpy().reshape(-1, 12)
        table = study[f"table_{number}"]
        if number == 3:  # ours has a mean of the one run without folds as well
            table = table.drop(index=1)
        ours = table[[f"{name}_{metric}" for name in TISSUES for metric in METRICS]]
        assert ours.to_numpy() == pytest.approx(theirs, abs=1.01e-4)
    assert list(study["table_4"]["fold"])[:4] == ["1", "2", "3", "mean"]
    assert list(study["table_4"]["arm"])[:5] == [*["conservative fc"] * 4, "conservative 3"]


def test_the_best_arms_are_the_studys_where_it_made_no_misprint(study: dict[str, pd.DataFrame]) -> None:
    best = {name: list(study[name]["arm"]) for name in ("table_6", "table_7", "table_8")}
    assert best["table_6"][:4] == ["no_fine_tuning", "open", "conservative 18", "hybrid multiplication"]
    assert best["table_7"][2:4] == ["conservative 18", "hybrid maximum"]
    assert best["table_8"][2:4] == ["conservative 6", "hybrid maximum"]


def test_the_studys_interval_counts_voxels() -> None:
    results = results_of(untuned(0.2), trial("open", test=0.5, tp=100, fn=300))
    row = study_tables(results)["table_6"].set_index("arm").loc["open"]
    assert row["dsc"] == 0.5
    assert row["dsc_voxel_interval"] == pytest.approx(1.96 * 0.5 / 20)


def test_augmentation_is_compared_on_both_sequences() -> None:
    table = study_tables(
        results_of(
            untuned(0.8, sequence="T1"),
            trial("augmented", test=0.6, sequence="T1"),
            untuned(0.4),
            trial("augmented", test=0.7, fold=1),
            trial("augmented", test=0.7, fold=2),
        )
    )["table_9"].set_index(["sequence", "row"])
    dice = table["bone_dsc"].to_dict()
    assert dice == {
        ("T1", "without"): 0.8,
        ("T1", "with"): 0.6,
        ("T1", "difference_percent"): pytest.approx(-25),
        ("T2", "without"): 0.4,
        ("T2", "with"): pytest.approx(0.7),
        ("T2", "difference_percent"): pytest.approx(75),
    }
    assert math.isnan(table["bone_dsc_voxel_interval"]["T2", "difference_percent"])


def test_a_gain_over_nothing_is_undefined() -> None:
    results = results_of(
        untuned({"bone": 0.0, "air": 0.5}), trial("augmented", test={"bone": 0.3, "air": 0.5})
    )
    (difference,) = study_tables(results)["table_9"].query("row == 'difference_percent'").to_dict("records")
    assert math.isnan(difference["bone_dsc"])
    assert difference["air_dsc"] == 0


def test_tables_without_their_strategies_are_left_out() -> None:
    assert set(study_tables(results_of(untuned(0.5)))) == {"table_3", "internal_air", "compute_time"}
    tables = study_tables(results_of(trial("scratch", test=0.5), trial("hybrid", fusion="average", test=0.5)))
    expected = {"table_5", "table_6", "table_7", "table_8", "controls", "internal_air", "compute_time"}
    assert set(tables) == expected
    assert list(tables["controls"]["arm"]) == ["scratch"] * 2


def test_every_table_has_a_title_and_plain_columns(study: dict[str, pd.DataFrame]) -> None:
    assert set(study) <= set(TITLES)
    for table in study.values():
        assert table.columns.nlevels == 1
        assert list(table.index) == list(range(len(table)))


def test_an_undefined_score_stays_undefined_in_its_row_and_in_the_mean() -> None:
    absent = {"bone": 0.5, "internal_air": math.nan}
    results = results_of(trial("open", fold=1, test=absent), trial("open", fold=2, test=0.6))
    table = study_tables(results)["internal_air"].set_index("fold")["internal_air_dsc"]
    assert list(table.index) == ["1", "2", "mean"]
    assert table["2"] == 0.6
    assert math.isnan(table["1"])
    assert math.isnan(table["mean"])
