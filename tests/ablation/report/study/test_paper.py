"""What the study printed, and what of it cannot be right."""

import numpy as np
import pandas as pd
import pytest

from ablation.report.study.paper import CELL, SOURCE, corrected, identity_failures, printed

MISPRINTS = {
    (4, "conservative", "3", "", "1", "bone", "jsc"): (0.3932, 0.2447),
    (4, "conservative", "3", "", "avg", "bone", "jsc"): (0.2770, 0.2274),
    (4, "conservative", "9", "", "avg", "air", "jsc"): (0.8070, 0.8079),
    (5, "hybrid", "", "concatenation", "2", "soft_tissue", "dsc"): (0.9042, 0.8106),
    (5, "hybrid", "", "concatenation", "avg", "soft_tissue", "dsc"): (0.8415, 0.8103),
    (7, "hybrid", "", "concatenation", "avg", "soft_tissue", "dsc"): (0.8415, 0.8103),
    (9, "no_augmentation", "", "", "", "air", "precision"): (0.91, 0.92),
    (9, "no_augmentation", "", "", "", "air", "recall"): (0.94, 0.95),
}
"""Worked out by hand from the other cells of the row, the folds above, or the table that is repeated."""
PLACE = ["table", "strategy", "tuned_layers", "fusion", "fold", "class", "metric"]


def value(table: int, metric: str, **where: str) -> float:
    cells = printed()
    for name, wanted in {"metric": metric, **where}.items():
        cells = cells[cells[name] == wanted]
    return cells[cells["table"] == table]["value"].item()


def test_printed_values_are_there_as_printed() -> None:
    assert value(6, "dsc", strategy="hybrid") == 0.5393
    assert value(4, "recall", tuned_layers="fc", fold="2", **{"class": "air"}) == 0.8629
    assert value(5, "dsc", fusion="concatenation", fold="2", **{"class": "soft_tissue"}) == 0.9042
    assert value(2, "patients", strategy="split_training", test_sequence="T1") == 30
    where = {"strategy": "difference_percentage", "test_sequence": "T2", "class": "bone"}
    assert value(9, "jsc", **where) == 55.56


def test_every_table_of_scores_is_complete() -> None:
    sizes = printed().groupby("table").size().to_dict()
    assert sizes == {2: 6, 3: 5 * 12, 4: 28 * 12, 5: 16 * 12, 6: 16, 7: 16, 8: 16, 9: 6 * 12}
    assert not printed()["value"].isna().any()
    assert not printed().duplicated(CELL).any()


def test_the_source_is_named() -> None:
    assert "10.1049/cit2.12270" in SOURCE


def test_exactly_the_cells_that_no_rounding_explains_are_listed() -> None:
    found = identity_failures()
    listed = {
        tuple(row): pair for row, pair in zip(found[PLACE].to_numpy().tolist(), _pairs(found), strict=True)
    }
    assert set(listed) == set(MISPRINTS)
    for place, (shown, right) in MISPRINTS.items():
        assert listed[place] == (shown, pytest.approx(right, abs=0.5e-2 if place[0] == 9 else 0.5e-4 + 1e-9))


def test_a_failure_says_what_was_expected_and_why() -> None:
    found = identity_failures().set_index(PLACE).sort_index()
    row = found.loc[(4, "conservative", "3", "", "1", "bone", "jsc")]
    assert row["identity"] == "JSC = DSC / (2 - DSC)"
    assert row["expected"] == pytest.approx(0.3932 / (2 - 0.3932))
    assert row["difference"] == pytest.approx(0.3932 - row["expected"])


def test_only_those_cells_are_corrected() -> None:
    cells = corrected()
    changed = cells[cells["why"] != ""].set_index(PLACE)["corrected"]
    assert changed.to_dict() == {place: right for place, (_, right) in MISPRINTS.items()}
    same = cells[cells["why"] == ""]
    assert (same["corrected"] == same["value"]).all()


def test_corrected_folds_agree_with_each_other() -> None:
    cells = corrected().query("table in (3, 4, 5) and fold != 'avg'")
    row = [name for name in CELL if name != "metric"]
    wide = cells.pivot(index=row, columns="metric", values="corrected")
    dice = 2 * wide["precision"] * wide["recall"] / (wide["precision"] + wide["recall"])
    assert np.abs(wide["dsc"] - dice).max() < 1.01e-4
    assert np.abs(wide["jsc"] - wide["dsc"] / (2 - wide["dsc"])).max() < 1.5e-4


def test_changing_what_was_given_changes_nothing_for_the_next() -> None:
    mine, right = printed(), corrected()
    mine["value"], right["corrected"] = 0.0, 0.0
    assert printed()["value"].max() > 0
    assert corrected()["corrected"].max() > 0


def _pairs(found: pd.DataFrame) -> list[tuple[float, float]]:
    return list(zip(found["printed"], found["expected"], strict=True))
