"""Scores by what is known of the patients."""

import pandas as pd
import pytest

from ablation.report.tables.subgroups import SUBGROUPS, read_known, subgroups
from tests.builders.tables import sweep, trial

SCORES = {"a": 0.5, "b": 0.7, "c": 0.4, "d": 0.6, "e": 0.9}


def known(**columns: str) -> pd.DataFrame:
    """What is known of the patients a to e; a comma between them, nothing where it is not known."""
    cells = {name: [cell or None for cell in text.split(",")] for name, text in columns.items()}
    return pd.DataFrame(cells, index=list("abcde"))


def table(frame: pd.DataFrame) -> pd.DataFrame:
    """Of two arms, the second always 0.1 worse."""
    worse = {name: score - 0.1 for name, score in SCORES.items()}
    found = subgroups(*sweep(trial("open", test=SCORES), trial("scratch", test=worse)), frame)
    classes = [] if found.empty else ["bone", "soft_tissue", "air"]
    assert list(found.columns) == [*SUBGROUPS[:-1], *classes, SUBGROUPS[-1]]
    return found


def test_each_arm_has_the_mean_of_each_group_with_its_number_of_patients() -> None:
    found = table(known(sex="F,F,M,M,M")).set_index(["known_of_patients", "group", "arm"])
    assert found["bone"].to_dict() == {
        ("sex", "F", "open"): pytest.approx(0.6),
        ("sex", "F", "scratch"): pytest.approx(0.5),
        ("sex", "M", "open"): pytest.approx(1.9 / 3),
        ("sex", "M", "scratch"): pytest.approx(1.6 / 3),
    }
    assert found["patients"].tolist() == [2, 2, 3, 3]


def test_a_group_of_one_is_shown_without_a_score() -> None:
    found = table(known(site="A,A,A,A,B")).query("arm == 'open'").set_index("group")
    assert found["patients"].to_dict() == {"A": 4, "B": 1}
    assert found["bone"].notna().to_dict() == {"A": True, "B": False}
    assert found["note"].to_dict() == {"A": "", "B": "one patient: no mean"}


def test_numbers_are_split_at_their_median() -> None:
    found = table(known(age="30,71.5,44,52,60")).query("arm == 'open'").set_index("group")
    assert found["patients"].to_dict() == {"up to 52": 3, "above 52": 2}
    assert found["bone"].tolist() == pytest.approx([0.5, 0.8])


def test_numbers_that_stand_for_groups_stay_groups() -> None:
    assert set(table(known(site="1,1,2,2,2"))["group"]) == {"1", "2"}


def test_columns_that_make_no_groups_are_left_out() -> None:
    nine = {f"p{number}": 0.5 for number in range(9)}
    names = pd.DataFrame({"name": [f"N{number}" for number in range(9)]}, index=list(nine))
    assert table(known(scanner="X,X,X,X,X")).empty
    assert table(known(scanner="X,X,X,X,")).empty
    assert subgroups(*sweep(trial("open", test=nine)), names).empty
    assert table(pd.DataFrame()).empty


def test_those_of_whom_it_is_not_known_stand_last() -> None:
    found = table(known(sex="M,F,M,,")).query("arm == 'open'")
    assert found["group"].tolist() == ["F", "M", "not known"]
    assert found["patients"].tolist() == [1, 2, 2]


def test_folds_and_networks_of_a_patient_are_averaged_first() -> None:
    """A patient who was tested three times weighs no more than another."""
    trials = [trial("open", test={"a": 0.5 + f / 10, "c": 0.4}, fold=f, network=f) for f in (1, 2, 3)]
    both = pd.DataFrame({"sex": ["F", "F", "M", "M"]}, index=["a", "b", "c", "d"])
    trials.append(trial("open", test={"b": 0.1, "d": 0.4}, fold=4, network=4))
    found = subgroups(*sweep(*trials), both).set_index("group")
    assert found["bone"].to_dict() == {"F": pytest.approx(0.4), "M": pytest.approx(0.4)}


def test_it_is_read_from_the_recorded_table_of_subjects() -> None:
    content = b"subject,sequences,warnings,participant_sex,participant_site\nP1,T1 T2,,F,01\nP2,T1,,,02\n"
    found = read_known({"subjects.csv": content})
    assert list(found.columns) == ["sex", "site"]
    assert found.loc["P1"].tolist() == ["F", "01"]
    assert pd.isna(found.loc["P2", "sex"])
    assert read_known({}).empty
    assert read_known({"subjects.csv": b"subject,sequences\nP1,T1\n"}).empty
