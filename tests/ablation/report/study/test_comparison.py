"""The study's values beside ours."""

import math

import pandas as pd
import pytest

from ablation.report.study.comparison import COLUMNS, compare_with_paper
from ablation.report.study.paper import corrected
from tests.builders.results import results_of, study_results, trial, untuned


def cell(frame: pd.DataFrame, /, **where: object) -> pd.Series:
    for name, value in where.items():
        frame = frame[frame[name] == value]
    (_, row), *others = frame.iterrows()
    assert not others
    return row


def test_the_study_beside_itself_differs_by_rounding_only() -> None:
    table = compare_with_paper(study_results())
    assert list(table.columns) == COLUMNS
    scores = table[table["table"].between(3, 8)]
    assert len(scores) == len(corrected().query("table in (3, 4, 5, 6, 7, 8) and fold in ('', 'avg')"))
    assert scores["difference"].abs().max() < 1.01e-4
    assert table["table"].isin(range(2, 10)).all()


def test_ours_is_compared_with_the_corrected_value() -> None:
    results = results_of(trial("hybrid", fusion="concatenation", test=0.7))
    row = cell(compare_with_paper(results), table=5, metric="dsc", **{"class": "soft_tissue"})
    assert (row["arm"], row["printed"], row["corrected"], row["ours"]) == (
        "hybrid concatenation",
        0.8415,
        0.8103,
        0.7,
    )
    assert row["difference"] == pytest.approx(0.7 - 0.8103)


def test_ours_is_the_mean_of_folds_of_the_same_arm() -> None:
    results = results_of(
        trial("conservative", "9", fold=1, test=0.2),
        trial("conservative", "9", fold=2, test=0.6),
        trial("conservative", "6", test=0.9),
        trial("scratch", test=0.9),
    )
    table = compare_with_paper(results)
    assert set(table["arm"]) == {
        "conservative 9",
        "conservative 6",
        "split_training",
        "split_validation",
        "split_testing",
    }
    row = cell(table, table=4, arm="conservative 9", metric="jsc", **{"class": "air"})
    assert row["ours"] == pytest.approx(0.4)
    assert (table[table["table"] == 4]["t2_train_size"] == 8).all()


def test_the_t1_rows_and_the_differences_of_table_9_are_there() -> None:
    results = results_of(
        untuned(0.8, sequence="T1"),
        trial("augmented", test=0.6, sequence="T1"),
        untuned(0.4),
        trial("augmented", test=0.7),
    )
    table = compare_with_paper(results)
    where = {"table": 9, "metric": "dsc", "class": "bone"}
    assert cell(table, sequence="T1", arm="augmented", **where)["ours"] == 0.6
    row = cell(table, sequence="T1", arm="difference_percent", **where)
    assert (row["printed"], row["ours"]) == (-2.57, pytest.approx(-25))
    assert len(table[table["table"] == 9]) == 72


def test_an_undefined_score_is_shown_and_has_no_difference() -> None:
    results = results_of(trial("open", test={"bone": math.nan, "air": 0.5}))
    table = compare_with_paper(results)
    row = cell(table, table=3, metric="dsc", **{"class": "bone"})
    assert row["printed"] == 0.5155
    assert math.isnan(row["ours"])
    assert math.isnan(row["difference"])


def test_sizes_of_the_splits_are_compared() -> None:
    table = compare_with_paper(results_of(trial("open", test=0.5, size=6, patients=2)))
    sizes = table[table["table"] == 2].set_index("arm")
    assert sizes["printed"].to_dict() == {"split_training": 8, "split_validation": 3, "split_testing": 3}
    assert sizes["ours"].to_dict() == {"split_training": 6, "split_validation": 2, "split_testing": 2}
