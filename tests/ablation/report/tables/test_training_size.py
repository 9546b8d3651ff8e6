"""More patients at each depth, sizes compared on equal terms."""

import math

from ablation.report.tables.training_size import training_size
from tests.builders.results import results_of, trial, untuned


def test_a_size_gains_nothing_from_rates_that_only_it_has_tried() -> None:
    results = results_of(
        trial("conservative", "9", size=8, rate=1e-3, test=0.5),
        trial("conservative", "9", size=8, rate=1e-4, test=0.9),
        trial("conservative", "9", size=2, rate=1e-3, test=0.4),
    )
    table = training_size(results)
    assert list(table["learning_rate"]) == [1e-3, 1e-3]
    assert dict(zip(table["t2_train_size"], table["bone"], strict=True)) == {2: 0.4, 8: 0.5}


def test_among_the_rates_that_all_have_tried_each_takes_its_own_by_validation() -> None:
    results = results_of(
        trial("open", size=8, rate=1e-3, validation=0.5, test=0.5),
        trial("open", size=8, rate=1e-4, validation=0.6, test=0.1),
        trial("open", size=2, rate=1e-3, validation=0.4, test=0.4),
        trial("open", size=2, rate=1e-4, validation=0.3, test=0.9),
    )
    table = training_size(results).set_index("t2_train_size")
    assert table["learning_rate"].to_dict() == {2: 1e-3, 8: 1e-4}
    assert table["air"].to_dict() == {2: 0.4, 8: 0.1}


def test_sizes_without_a_common_rate_keep_their_own() -> None:
    results = results_of(
        trial("open", size=8, rate=1e-3, test=0.5), trial("open", size=2, rate=1e-4, test=0.4)
    )
    assert list(training_size(results)["learning_rate"]) == [1e-4, 1e-3]


def test_depths_go_from_the_last_layer_to_all_and_folds_are_averaged() -> None:
    results = results_of(
        trial("open", test=0.5),
        trial("conservative", "12", test=0.5),
        trial("conservative", "3", fold=1, test=0.5),
        trial("conservative", "3", fold=2, test={"bone": math.nan, "soft_tissue": 0.7, "air": 0.7}),
        trial("conservative", "fc", test=0.5),
        trial("hybrid", fusion="average", test=0.5),
        untuned(0.5),
    )
    table = training_size(results).set_index("tuned_layers")
    assert list(table.index) == ["fc", "3", "12", "all"]
    assert table["folds"].to_dict() == {"fc": 1, "3": 2, "12": 1, "all": 1}
    assert math.isnan(table["bone"]["3"])
    assert table["air"]["3"] == 0.6


def test_one_point_is_no_curve() -> None:
    assert training_size(results_of(trial("open", test=0.5), untuned(0.5))).empty
    assert training_size(results_of(untuned(0.5))).empty
