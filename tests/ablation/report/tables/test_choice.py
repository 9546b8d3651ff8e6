"""One rule chooses the tuned values of an arm: the mean of the classes, a class, or an objective."""

import pandas as pd
import pytest

from ablation.report.tables.choice import as_chosen, chosen
from ablation.report.tables.edges import edges
from ablation.report.tables.summary import learning_rates, summarise
from ablation.space.design import STUDY
from tests.builders.tables import sweep, trial

MEAN_HIGH = {"bone": 0.3, "soft_tissue": 0.9, "air": 0.9}
BONE_HIGH = {"bone": 0.6, "soft_tissue": 0.6, "air": 0.6}


def rates(results: pd.DataFrame) -> set[float]:
    return set(chosen(results)["learning_rate"])


@pytest.mark.parametrize(
    ("chosen_by", "rate", "words"),
    [
        ("validation/mean/dsc", 1e-2, "as chosen on validation by mean Dice"),
        ("validation/bone/dsc", 1e-3, "as chosen on validation by Dice of bone"),
        ("time/standalone_seconds", 1e-4, "as chosen by the least time computed alone"),
    ],
)
def test_the_same_scores_are_chosen_from_by_what_was_stated(chosen_by: str, rate: float, words: str) -> None:
    results, _ = sweep(
        trial(rate=1e-2, validation=MEAN_HIGH, test=[0.5], seconds=9),
        trial(rate=1e-3, validation=BONE_HIGH, test=[0.6], seconds=5),
        trial(rate=1e-4, validation=0.1, test=[0.7], seconds=1),
        chosen_by=chosen_by,
    )
    assert rates(results) == {rate}
    assert as_chosen(results) == words
    table = learning_rates(results).set_index("learning_rate")
    assert table["chosen"].to_dict() == {one: one == rate for one in (1e-2, 1e-3, 1e-4)}
    assert set(edges(results, STUDY)["value"]) == {rate} - {1e-3}


def test_the_table_of_choices_has_the_score_that_chose() -> None:
    trials = [trial(rate=rate, test=[0.5], seconds=1e4 * rate) for rate in (1e-2, 1e-3)]
    table = learning_rates(sweep(*trials, chosen_by="time/standalone_seconds")[0])
    assert table.set_index("learning_rate")["standalone_seconds"].to_dict() == {1e-2: 100, 1e-3: 10}
    assert list(learning_rates(sweep(*trials)[0]).columns[-2:]) == ["mean", "chosen"]


# Where a patient who validates in one fold is tested in another


def rotated() -> pd.DataFrame:
    """In fold 1 the high rate is best, in fold 2 the low one; over both the low one."""
    return sweep(
        trial(rate=1e-2, fold=1, validation=0.6, test={"a": 0.11}),
        trial(rate=1e-3, fold=1, validation=0.5, test={"a": 0.12}),
        trial(rate=1e-2, fold=2, validation=0.1, test={"b": 0.21}),
        trial(rate=1e-3, fold=2, validation=0.9, test={"b": 0.22}),
        in_folds=True,
    )[0]


def test_each_fold_chooses_by_its_own_validation_patients() -> None:
    rows = chosen(rotated())
    tested = rows[rows["split"] == "test"].groupby("fold")["dsc"].first()
    assert tested.to_dict() == {1: 0.11, 2: 0.22}
    assert as_chosen(rotated()) == "as chosen on validation by mean Dice inside each fold"


def test_what_another_fold_validates_with_takes_no_part() -> None:
    """Patients who validate in fold 2 are tested in fold 1: their scores must not move its choice."""
    changed = rotated()
    of_fold_2 = (changed["fold"] == 2) & (changed["split"] == "validation")
    changed.loc[of_fold_2 & (changed["learning_rate"] == 1e-3), "dsc"] = 0.0
    rows = chosen(changed)
    tested = rows[rows["split"] == "test"].groupby("fold")["dsc"].first()
    assert tested.to_dict() == {1: 0.11, 2: 0.21}


def test_an_arm_is_one_row_though_its_folds_chose_different_values() -> None:
    (row,) = summarise(rotated()).to_dict("records")
    assert pd.isna(row["learning_rate"])
    assert row["bone"] == pytest.approx((0.11 + 0.22) / 2)
    table = learning_rates(rotated())
    assert table[table["chosen"]].set_index("fold")["learning_rate"].to_dict() == {1: 1e-2, 2: 1e-3}
    assert list(edges(rotated(), STUDY)["edge"]) == ["highest", "lowest"]


def test_an_arm_whose_folds_chose_the_same_keeps_it() -> None:
    trials = [
        trial(rate=rate, fold=fold, validation=rate, test=[0.5]) for rate in (1e-2, 1e-3) for fold in (1, 2)
    ]
    (row,) = summarise(sweep(*trials, in_folds=True)[0]).to_dict("records")
    assert row["learning_rate"] == 1e-2
