"""The study's claims, judged by its own numbers and by ours."""

import math
from typing import Any

import pandas as pd
import pytest
from scipy.stats import ttest_rel

from ablation.report.study.claims import claims
from ablation.report.study.paper import printed
from tests.builders.results import results_of, study_results, trial, untuned

NAMES = [f"C{number}" for number in range(1, 10)]
HOLDS, FAILS, OPEN = "holds", "does not hold", "cannot be tested here"


def judged(*trials: list[dict[str, Any]]) -> pd.DataFrame:
    return claims(results_of(*trials)).set_index("claim")


def fusions(*scores: float) -> list[list[dict[str, Any]]]:
    names = ("concatenation", "multiplication", "average", "maximum")
    return [trial("hybrid", fusion=name, test=score) for name, score in zip(names, scores, strict=True)]


@pytest.fixture(scope="module")
def study() -> pd.DataFrame:
    return claims(study_results()).set_index("claim")


def test_every_claim_is_there_with_its_statement_and_place(study: pd.DataFrame) -> None:
    assert list(study.index) == NAMES
    assert (study["statement"].str.len() > 20).all()
    assert (study["where"] != "").all()


def test_the_studys_own_numbers_do_not_support_all_it_says(study: pd.DataFrame) -> None:
    verdicts = dict(zip(NAMES, [HOLDS, HOLDS, FAILS, HOLDS, HOLDS, FAILS, OPEN, OPEN, FAILS], strict=True))
    assert study["paper_verdict"].to_dict() == verdicts
    assert "hybrid multiplication 0.5393, open 0.5155" in study["paper"]["C1"]
    assert "hybrid maximum 0.8149" in study["paper"]["C3"]
    assert "9 0.4422, 12 0.4291" in study["paper"]["C6"]
    assert "T1 bone -2.57" in study["paper"]["C9"]


def test_the_studys_folds_as_ours_get_the_same_verdicts(study: pd.DataFrame) -> None:
    assert study["our_verdict"].to_dict() == study["paper_verdict"].to_dict()


def test_three_patients_cannot_establish_what_the_means_say(study: pd.DataFrame) -> None:
    for row in study.to_dict("records"):
        assert ("3 test patients a fold cannot establish it" in row["ours"]) == (row["our_verdict"] != OPEN)


def test_the_notes_say_what_the_studys_folds_give(study: pd.DataFrame) -> None:
    cells = printed().query("metric == 'dsc' and `class` == 'bone' and fold in ('1', '2', '3')")
    folds = {
        name: cells[(cells["strategy"] + cells["fusion"]) == name]["value"].to_numpy()
        for name in ("hybridmultiplication", "hybridaverage", "open")
    }
    multiplication = folds["hybridmultiplication"]
    assert f"p = {ttest_rel(multiplication, folds['open']).pvalue:.2f}" in study["note"]["C1"]
    assert f"p = {ttest_rel(multiplication, folds['hybridaverage']).pvalue:.2f}" in study["note"]["C2"]
    assert [fold + 1 for fold in range(3) if multiplication[fold] < folds["open"][fold]] == [2]


def test_our_numbers_can_contradict_the_study() -> None:
    table = judged(
        *fusions(0.5, 0.4, 0.3, 0.2),
        untuned(0.6),
        trial("open", test=0.7),
        trial("conservative", "18", test=0.1),
    )
    assert table["our_verdict"]["C1"] == FAILS
    assert table["our_verdict"]["C2"] == FAILS
    assert table["our_verdict"]["C3"] == HOLDS
    assert table["our_verdict"]["C4"] == FAILS
    assert table["our_verdict"]["C5"] == FAILS


def test_a_rival_that_is_missing_leaves_a_lead_open_but_not_a_defeat() -> None:
    leading = judged(trial("hybrid", fusion="average", test=0.9), trial("open", test=0.5))
    assert leading["our_verdict"]["C1"] == OPEN
    assert "no_fine_tuning not there" in leading["ours"]["C1"]
    beaten = judged(trial("hybrid", fusion="average", test=0.5), trial("open", test=0.9))
    assert beaten["our_verdict"]["C1"] == FAILS


def test_an_undefined_score_is_no_zero() -> None:
    absent = {"bone": math.nan, "soft_tissue": 0.9, "air": 0.9}
    table = judged(*fusions(0.1, 0.5, 0.4, 0.3)[:3], trial("hybrid", fusion="maximum", test=absent))
    assert table["our_verdict"]["C2"] == OPEN
    assert "hybrid maximum undefined" in table["ours"]["C2"]


def test_a_tie_is_no_lead() -> None:
    assert judged(*fusions(0.1, 0.5, 0.5, 0.3))["our_verdict"]["C2"] == FAILS


def test_equal_budgets_say_nothing_about_time_to_convergence() -> None:
    def timed(reason: str) -> pd.DataFrame:
        return judged(
            trial("hybrid", fusion="average", test=0.5, standalone_seconds=10.0, stop_reason=reason),
            trial("open", test=0.5, standalone_seconds=20.0, stop_reason="converged"),
            trial("conservative", "18", test=0.5, standalone_seconds=30.0, stop_reason="converged"),
        )

    assert timed("max_steps")["our_verdict"]["C8"] == OPEN
    assert "max_steps" in timed("max_steps")["ours"]["C8"]
    assert timed("converged")["our_verdict"]["C8"] == HOLDS
    assert "hybrid average 10.0, open 20.0, conservative 18 30.0" in timed("converged")["ours"]["C8"]


def test_more_patients_help_deep_tuning() -> None:
    def sized(**scores: float) -> list[list[dict[str, Any]]]:
        few = [trial("conservative", layers, size=2, test=scores[f"few_{layers}"]) for layers in ("fc", "18")]
        many = [
            trial("conservative", layers, size=8, test=scores[f"many_{layers}"]) for layers in ("fc", "18")
        ]
        return [*few, *many]

    helped = judged(*sized(few_fc=0.4, many_fc=0.41, few_18=0.3, many_18=0.6))
    assert helped["our_verdict"]["C7"] == HOLDS
    assert "from 2 to 8 patients: +0.3000 at depth 18, +0.0100 at fc" in helped["ours"]["C7"]
    assert judged(*sized(few_fc=0.4, many_fc=0.41, few_18=0.6, many_18=0.6))["our_verdict"]["C7"] == FAILS


def test_augmentation_has_to_spare_t1() -> None:
    def augmented(t1: float) -> str:
        trials = [untuned(0.8, sequence="T1"), untuned(0.4)]
        trials += [trial("augmented", test=t1, sequence="T1"), trial("augmented", test=0.5)]
        return judged(*trials)["our_verdict"]["C9"]

    assert augmented(0.801) == HOLDS
    assert augmented(0.7) == FAILS


def test_nothing_can_be_said_of_arms_that_are_not_there() -> None:
    table = judged(trial("scratch", test=0.5))
    assert set(table["our_verdict"]) == {OPEN}
    assert not table["ours"].str.contains("nan").any()
