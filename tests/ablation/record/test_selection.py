"""Rows of results by split, weights, sequence and class."""

from itertools import product

import pandas as pd
import pytest

from ablation.record.selection import select

VALUES = {
    "split": ("validation", "test"),
    "weights": ("best", "last"),
    "sequence": ("T1", "T2"),
    "class": ("bone", "air"),
}
EVERY = pd.DataFrame(list(product(*VALUES.values())), columns=list(VALUES))


def test_the_best_weights_of_a_split_for_all_sequences_and_classes() -> None:
    found = select(EVERY, split="test")
    assert set(found["split"]) == {"test"}
    assert set(found["weights"]) == {"best"}
    assert len(found) == 4


def test_one_row_where_all_is_named() -> None:
    found = select(EVERY, split="validation", weights="last", sequence="T1", tissue="air")
    assert found.to_numpy().tolist() == [["validation", "last", "T1", "air"]]


@pytest.mark.parametrize("tissues", [("bone", "air"), ["bone", "air"], {"bone": "Bone", "air": "Air"}])
def test_several_classes_in_the_order_of_the_rows(tissues: tuple[str, ...]) -> None:
    assert list(select(EVERY, split="test", sequence="T2", tissue=tissues)["class"]) == ["bone", "air"]


def test_a_class_that_nobody_scored_has_no_rows() -> None:
    assert select(EVERY, split="test", tissue="internal_air").empty
