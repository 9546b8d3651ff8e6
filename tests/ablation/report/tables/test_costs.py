"""What each arm takes."""

from ablation.report.tables.costs import compute_time
from tests.builders.results import results_of, trial, untuned


def test_costs_are_means_over_folds_at_the_chosen_rate_and_largest_size() -> None:
    results = results_of(
        trial("open", fold=1, test=0.5, epochs=10, seconds_per_epoch=2.0, standalone_seconds=30.0),
        trial("open", fold=2, test=0.5, epochs=20, seconds_per_epoch=4.0, standalone_seconds=90.0),
        trial("open", fold=1, rate=1e-2, test=0.1, standalone_seconds=1e6),
        trial("open", fold=1, size=2, test=0.9, standalone_seconds=1e6),
    )
    (row,) = compute_time(results).to_dict("records")
    expected = {
        "arm": "open",
        "t2_train_size": 8,
        "learning_rate": 1e-4,
        "trials": 2,
        "epochs": 15.0,
        "seconds_per_epoch": 3.0,
        "standalone_seconds": 60.0,
        "stop_reasons": "max_steps",
    }
    assert row == expected


def test_a_trial_counts_once_however_many_classes_and_sequences_it_was_scored_on() -> None:
    both = trial("augmented", test=0.5) + trial("augmented", test=0.5, sequence="T1")
    other = trial("augmented", fold=2, test=0.5, standalone_seconds=100.0)
    (row,) = compute_time(results_of(both, other)).to_dict("records")
    assert (row["trials"], row["standalone_seconds"]) == (2, 75.0)


def test_all_reasons_to_stop_are_named() -> None:
    results = results_of(
        untuned(0.5, stop_reason="not_trained"),
        trial("open", fold=1, test=0.5, stop_reason="max_epochs"),
        trial("open", fold=2, test=0.5, stop_reason="converged"),
    )
    assert list(compute_time(results)["stop_reasons"]) == ["not_trained", "converged, max_epochs"]
