"""The study's claims, judged by its own numbers and by ours."""

import math
from typing import Any

import pandas as pd
import pytest
from scipy.stats import ttest_rel

from ablation.report.study.claims import claims
from ablation.report.study.evidence import MARGIN
from ablation.report.study.judgement import BUDGETS, DIRECTION, FAILS, HOLDS, UNRESOLVED, UNTESTED
from ablation.report.study.paper import corrected, printed
from tests.builders.results import patients_of, results_of, trial, untuned

NAMES = [f"C{number}" for number in range(1, 10)]


def judged(*trials: list[dict[str, Any]], patients: int = 14, noise: float = 0.001) -> pd.DataFrame:
    """Claims by number; arms differ by what the trials say, with little noise between patients."""
    results = results_of(*trials)
    return claims(results, patients_of(results, patients, noise=noise)).set_index("claim")


def fusions(*scores: float, **changes: Any) -> list[list[dict[str, Any]]]:
    names = ("concatenation", "multiplication", "average", "maximum")
    return [
        trial("hybrid", fusion=name, test=score, **changes) for name, score in zip(names, scores, strict=True)
    ]


def transfers(hybrid: float, **changes: Any) -> list[list[dict[str, Any]]]:
    """An arm of each strategy of Table 6; hybrid against 0.5."""
    return [
        trial("hybrid", fusion="average", test=hybrid, **changes),
        untuned(0.4),
        trial("open", test=0.5),
        trial("conservative", "18", test=0.45),
    ]


@pytest.fixture(scope="module")
def study() -> pd.DataFrame:
    return judged(untuned(0.5))


def test_every_claim_is_there_with_its_statement_and_place(study: pd.DataFrame) -> None:
    assert list(study.index) == NAMES
    assert (study["statement"].str.len() > 20).all()
    assert (study["where"] != "").all()


def test_the_studys_own_numbers_do_not_support_all_it_says(study: pd.DataFrame) -> None:
    assert study["paper_verdict"].to_dict() == {
        "C1": UNRESOLVED,
        "C2": UNRESOLVED,
        "C3": FAILS,
        "C4": UNRESOLVED,
        "C5": HOLDS,
        "C6": FAILS,
        "C7": UNTESTED,
        "C8": UNTESTED,
        "C9": UNRESOLVED,
    }
    assert "hybrid multiplication 0.5393, open 0.5155" in study["paper"]["C1"]
    assert "hybrid maximum 0.8149" in study["paper"]["C3"]
    assert "9 0.4422, 12 0.4291" in study["paper"]["C6"]
    assert "T1 bone -2.57" in study["paper"]["C9"]


def test_the_studys_differences_have_the_intervals_of_its_folds(study: pd.DataFrame) -> None:
    cells = corrected().query("metric == 'dsc' and `class` == 'bone' and fold in ('1', '2', '3')")
    name = cells["strategy"] + cells["fusion"]
    hybrid, tuned = (cells[name == one]["corrected"].to_numpy() for one in ("hybridmultiplication", "open"))
    expected = ttest_rel(hybrid, tuned).confidence_interval()
    row = study.loc["C1"]
    assert (row["paper_low"], row["paper_high"]) == pytest.approx((expected.low, expected.high), abs=1e-6)
    assert row["paper_difference"] == pytest.approx((hybrid - tuned).mean())


def test_no_verdict_stands_without_its_difference_and_interval(study: pd.DataFrame) -> None:
    columns = list(study.columns)
    for side in ("paper", "our"):
        place = columns.index(f"{side}_verdict")
        before = {f"{side}_{name}" for name in ("difference", "low", "high")}
        assert before <= set(columns[place - 5 : place])


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


@pytest.mark.parametrize(
    ("lead", "noise", "verdict"),
    [
        (0.05, 0.001, HOLDS),
        (-0.05, 0.001, FAILS),
        (0.001, 0.001, FAILS),  # a lead, but none of 0.01
        (0.012, 0.008, DIRECTION),
        (0.0, 0.2, UNRESOLVED),
    ],
)
def test_a_lead_is_judged_by_its_interval_against_the_margin(lead: float, noise: float, verdict: str) -> None:
    row = judged(*transfers(0.5 + lead), noise=noise).loc["C1"]
    assert row["our_verdict"] == verdict
    assert row["our_low"] < row["our_difference"] < row["our_high"]
    assert row["margin"] == MARGIN
    assert row["our_interval"] == "BCa bootstrap"
    if lead >= 0.01:
        assert row["our_pair"] == "bone DSC: hybrid average - open"


def test_another_margin_gives_another_verdict() -> None:
    results = results_of(*transfers(0.55))
    table = claims(results, patients_of(results), margin=0.1).set_index("claim")
    assert table["our_verdict"]["C1"] == FAILS
    assert table["margin"]["C1"] == 0.1


def test_three_patients_who_agree_show_the_direction_alone() -> None:
    row = judged(*transfers(0.7), patients=3).loc["C1"]
    assert row["our_verdict"] == DIRECTION
    assert math.isnan(row["our_low"])
    assert row["our_interval"] == "none: 3 patients, an interval needs 6"
    assert judged(*transfers(0.45), patients=3)["our_verdict"]["C1"] == UNRESOLVED


def test_our_numbers_can_contradict_the_study() -> None:
    table = judged(
        *fusions(0.5, 0.4, 0.3, 0.2),
        untuned(0.6),
        trial("open", test=0.7),
        trial("conservative", "18", test=0.1),
    )
    assert table["our_verdict"].loc["C1":"C5"].tolist() == [FAILS, FAILS, HOLDS, FAILS, FAILS]


def test_a_rival_that_is_missing_leaves_a_lead_open_but_not_a_defeat() -> None:
    leading = judged(trial("hybrid", fusion="average", test=0.9), trial("open", test=0.5))
    assert leading["our_verdict"]["C1"] == UNTESTED
    assert "no_fine_tuning not there" in leading["ours"]["C1"]
    beaten = judged(trial("hybrid", fusion="average", test=0.5), trial("open", test=0.9))
    assert beaten["our_verdict"]["C1"] == FAILS


def test_an_undefined_score_is_no_zero() -> None:
    absent = {"bone": math.nan, "soft_tissue": 0.9, "air": 0.9}
    table = judged(*fusions(0.1, 0.5, 0.4, 0.3)[:3], trial("hybrid", fusion="maximum", test=absent))
    assert table["our_verdict"]["C2"] == UNTESTED
    assert "hybrid maximum undefined" in table["ours"]["C2"]


def test_unequal_numbers_of_steps_are_said_before_any_lead() -> None:
    longer = judged(*transfers(0.9, epochs=60))
    assert longer["our_verdict"]["C1"] == BUDGETS
    assert "times patients): open 160, conservative 18 160, hybrid average 480" in longer["ours"]["C1"]
    assert longer["our_difference"]["C1"] == pytest.approx(0.4, abs=0.01)
    converged = [[row | {"stop_reason": "converged"} for row in one] for one in transfers(0.9, epochs=60)]
    assert judged(*converged)["our_verdict"]["C1"] == HOLDS


def test_steps_count_before_epochs_where_they_are_recorded() -> None:
    """A batch of one takes twice the steps of the same epochs."""
    trials = [[row | {"steps": 96.0} for row in one] for one in transfers(0.9, epochs=60)]
    results = results_of(*trials).assign(steps=96.0)
    table = claims(results, patients_of(results)).set_index("claim")
    assert table["our_verdict"]["C1"] == HOLDS
    results.loc[results["strategy"] == "hybrid", "steps"] = 192.0
    table = claims(results, patients_of(results)).set_index("claim")
    assert table["our_verdict"]["C1"] == BUDGETS
    assert "hybrid average 192" in table["ours"]["C1"]


def test_equal_budgets_say_nothing_about_time_to_convergence() -> None:
    def timed(reason: str, folds: tuple[int, ...]) -> pd.DataFrame:
        return judged(
            *(
                trial(*arm, test=0.5, fold=fold, standalone_seconds=seconds + fold / 10, stop_reason=stop)
                for fold in folds
                for arm, seconds, stop in (
                    (("hybrid", "", "average"), 10.0, reason),
                    (("open",), 20.0, "converged"),
                    (("conservative", "18"), 30.0 + fold, "converged"),
                )
            )
        )

    assert timed("max_steps", (1,))["our_verdict"]["C8"] == UNTESTED
    assert "max_steps" in timed("max_steps", (1,))["ours"]["C8"]
    assert timed("converged", (1,))["our_verdict"]["C8"] == DIRECTION
    found = timed("converged", (1, 2, 3))
    assert found["our_verdict"]["C8"] == HOLDS
    assert found["our_pair"]["C8"] == "seconds: open - hybrid average"
    assert "hybrid average 10.2, open 20.2, conservative 18 32.2" in found["ours"]["C8"]


def test_more_patients_help_deep_tuning() -> None:
    def sized(*, epochs: int = 20, **scores: float) -> list[list[dict[str, Any]]]:
        few = [
            trial("conservative", layers, size=2, test=scores[f"few_{layers}"], epochs=epochs)
            for layers in ("fc", "18")
        ]
        many = [
            trial("conservative", layers, size=8, test=scores[f"many_{layers}"], epochs=20)
            for layers in ("fc", "18")
        ]
        return [*few, *many]

    means = {"few_fc": 0.4, "many_fc": 0.41, "few_18": 0.3, "many_18": 0.6}
    helped = judged(*sized(epochs=80, **means))
    assert helped["our_verdict"]["C7"] == HOLDS
    assert "from 2 to 8 patients: +0.3000 at depth 18, +0.0100 at fc" in helped["ours"]["C7"]
    assert helped["our_pair"]["C7"] == "bone DSC: depth fc - depth 18 with 2"
    flat = judged(*sized(epochs=80, few_fc=0.4, many_fc=0.41, few_18=0.6, many_18=0.6))
    assert flat["our_verdict"]["C7"] == FAILS
    assert judged(*sized(**means))["our_verdict"]["C7"] == BUDGETS


def test_augmentation_has_to_spare_t1() -> None:
    def augmented(t1: float, noise: float = 0.001) -> pd.Series:
        trials = [untuned(0.8, sequence="T1"), untuned(0.4)]
        trials += [trial("augmented", test=t1, sequence="T1"), trial("augmented", test=0.5)]
        return judged(*trials, noise=noise).loc["C9"]

    assert augmented(0.801)["our_verdict"] == HOLDS
    assert augmented(0.7)["our_verdict"] == FAILS
    assert augmented(0.7)["our_pair"].startswith("T1 ")
    assert augmented(0.801, noise=0.02)["our_verdict"] == UNRESOLVED


def test_nothing_can_be_said_of_arms_that_are_not_there() -> None:
    table = judged(trial("scratch", test=0.5))
    assert set(table["our_verdict"]) == {UNTESTED}
    assert not table["ours"].str.contains("nan").any()
