"""Exact shares of variance, by hand and by statsmodels."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as formulas
from statsmodels.stats.anova import anova_lm

from ablation.report.statistics.variance_shares import SHARES, variance_shares

RNG = np.random.default_rng(0)


def shares(values: np.ndarray, *names: str) -> pd.DataFrame:
    table = variance_shares(values, names, "fold")
    assert list(table.columns) == SHARES
    return table.set_index("factor")


def test_additive_factors_have_what_they_were_given_and_nothing_interacts() -> None:
    found = shares(np.add.outer([0.0, 3.0], [0.0, 4.0]), "depth", "rate")["importance"]
    assert found["depth"] == pytest.approx(9 / 25)
    assert found["rate"] == pytest.approx(16 / 25)
    assert found["depth x rate"] == pytest.approx(0)


def test_an_interaction_has_a_row_of_its_own() -> None:
    found = shares(np.array([[1.0, 0.0], [0.0, 1.0]]), "depth", "rate")["importance"]
    assert found.to_dict() == pytest.approx({"depth x rate": 1, "depth": 0, "rate": 0})
    assert next(iter(found.index)) == "depth x rate"


def test_of_three_factors_all_adds_up_to_one() -> None:
    found = shares(RNG.normal(size=(3, 4, 5)), "depth", "rate", "fold")["importance"]
    assert found.sum() == pytest.approx(1)
    assert list(found.index)[-1] == "rest"
    assert len(found) == 7


def test_sums_of_squares_and_f_are_those_of_the_textbook() -> None:
    values = RNG.normal(size=(3, 4, 5))
    table = shares(values, "depth", "rate", "fold")
    rows = [(*place, value) for place, value in np.ndenumerate(values)]
    long = pd.DataFrame(rows, columns=[*"drf", "value"])
    fitted = anova_lm(formulas.ols("value ~ C(d) * C(r) * C(f)", data=long).fit())
    squares = fitted["sum_sq"]
    assert table["importance"]["depth x rate"] == pytest.approx(squares["C(d):C(r)"] / squares.sum())
    means = fitted["mean_sq"]
    assert table["f"]["depth"] == pytest.approx(means["C(d)"] / means["C(d):C(f)"])
    assert table["f"]["depth x rate"] == pytest.approx(means["C(d):C(r)"] / means["C(d):C(r):C(f)"])
    assert table.loc[["fold", "depth x fold", "rest"], "f"].isna().all()


def test_a_factor_that_does_nothing_is_found_as_often_as_the_test_says() -> None:
    """Folds differ, and differ in what they make of the factor."""
    draws = RNG.normal(size=(2000, 3, 5)) + RNG.normal(size=(2000, 1, 5))
    p = [variance_shares(one, ("depth", "fold"), "fold").set_index("factor")["p"]["depth"] for one in draws]
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=0.015)


def test_without_folds_there_is_no_test() -> None:
    assert shares(RNG.normal(size=(3, 4)), "depth", "rate")["p"].isna().all()
