"""What is recorded becomes tables that other people's scripts read."""

import io
from typing import Any

import numpy as np
import pandas as pd

from ablation.record.results import NAMED, PATIENTS, RESULTS, patients_frame, results_frame
from ablation.record.trials import Record
from ablation.space.design import Design

UNTUNED = {"strategy": "no_fine_tuning", "fold": "2"}
TUNED = {
    "strategy": "conservative",
    "tuned_layers": "9",
    "t2_train_size": "8",
    "learning_rate": "0.0001",
    "fold": "1",
    "seed": "0",
}
ABSENT = {"tp": 0, "fp": 0, "fn": 0}


def score(patient: str, bone: dict[str, int], **changes: Any) -> dict[str, Any]:
    """As `scores.json` has one."""
    counts = {"bone": bone, "soft_tissue": {"tp": 50, "fp": 25, "fn": 25}, "air": ABSENT}
    return {
        "weights": "best",
        "split": "test",
        "sequence": "T2",
        "patient": patient,
        "counts": {**counts, "internal_air": ABSENT},
        "surface": None,
        **changes,
    }


SCORES = [
    score("sub-01", {"tp": 6, "fp": 2, "fn": 4}),
    score("sub-02", {"tp": 0, "fp": 2, "fn": 0}),
    score("sub-01", {"tp": 1, "fp": 1, "fn": 9}, weights="last"),
    score("sub-03", {"tp": 5, "fp": 5, "fn": 5}, split="validation"),
]


def record(params: dict[str, str], scores: list[dict[str, Any]], key: str = "key") -> Record:
    return Record(
        run_id=f"run of {key}",
        experiment_id="1",
        name="trial",
        tags={
            "trial_key": key,
            "stop_reason": "max_steps",
            "encoder_digest": "digest",
            "cohort_fingerprint": "cohort",
        },
        params={**params, "training.batch_size": "2"},
        metrics={
            "time/epochs": 8.0,
            "time/seconds_per_epoch": 0.5,
            "time/total_seconds": 5.0,
            "time/standalone_seconds": 6.0,
            "memory/peak_mb": 700.0,
        },
        scores=scores,
    )


def row(frame: pd.DataFrame, **where: str) -> pd.Series:
    for column, value in where.items():
        frame = frame[frame[column] == value]
    (_, found), *others = frame.iterrows()
    assert not others
    return found


def test_scores_are_pooled_over_the_patients_of_a_split() -> None:
    results = results_frame([record(TUNED, SCORES)])
    assert list(results.columns) == [*RESULTS, *NAMED]
    assert len(results) == 3 * 4
    bone = row(results, weights="best", split="test", **{"class": "bone"})
    assert tuple(bone[["tp", "fp", "fn", "patients"]]) == (6, 4, 4, 2)
    # Pooled: 12 / 20. The mean of the patients' Dice would be a third.
    assert tuple(bone[["precision", "recall", "dsc", "jsc"]]) == (0.6, 0.6, 0.6, 6 / 14)
    assert row(results, weights="last", **{"class": "bone"})["patients"] == 1
    assert row(results, split="validation", **{"class": "bone"})["dsc"] == 0.5


def test_a_score_without_a_voxel_is_undefined() -> None:
    results = results_frame([record(TUNED, SCORES)])
    air = row(results, weights="best", split="test", **{"class": "air"})
    assert np.isnan([air["precision"], air["recall"], air["dsc"], air["jsc"]]).all()


def test_each_row_says_where_it_comes_from_and_what_it_took() -> None:
    results = results_frame([record(TUNED, SCORES, "a"), record(UNTUNED, SCORES, "b")])
    first = results[results["trial_key"] == "a"].iloc[0]
    assert first["mlflow_run_id"] == "run of a"
    assert first["stop_reason"] == "max_steps"
    assert (first["encoder_digest"], first["cohort_fingerprint"]) == ("digest", "cohort")
    cost = ["epochs", "seconds_per_epoch", "total_seconds", "standalone_seconds", "peak_memory_mb"]
    assert tuple(first[cost]) == (8, 0.5, 5.0, 6.0, 700.0)


def test_factors_keep_their_kind_in_the_file_and_are_empty_where_they_mean_nothing() -> None:
    text = results_frame([record(UNTUNED, SCORES, "b"), record(TUNED, SCORES, "a")]).to_csv(index=False)
    untuned, tuned = text.splitlines()[1], text.splitlines()[-1]
    assert untuned.startswith("b,no_fine_tuning,,,,,2,,")
    assert tuned.startswith("a,conservative,9,,8,0.0001,1,0,")


VARIED = ("training.loss", "training.gradient_clip", "training.augmentation", "network.attention")


def test_each_varied_setting_has_a_column_where_one_that_is_newer_than_a_record_has_what_was_done_then() -> (
    None
):
    given = {
        "training.loss": "dice",
        "training.gradient_clip": "None",
        "training.augmentation": "('flips', 'noise')",
    }
    records = [record({**params, **given}, SCORES, key) for key, params in (("a", TUNED), ("b", UNTUNED))]
    for frame, columns in (
        (results_frame(records, Design(settings=VARIED)), RESULTS),
        (patients_frame(records, Design(settings=VARIED)), PATIENTS),
    ):
        assert list(frame.columns) == [*columns, *VARIED, *NAMED]
        settings = frame.groupby("trial_key")[list(VARIED)].agg(set)
        assert settings.loc["a"].tolist() == [{"dice"}, {"none"}, {"[flips, noise]"}, {"channel_spatial"}]
        assert settings.loc["b"].tolist() == [{""}, {""}, {""}, {"channel_spatial"}], "nothing is trained"


def test_the_types_of_the_columns_do_not_depend_on_what_ran() -> None:
    frames = [results_frame([record(params, SCORES)]) for params in (UNTUNED, TUNED)]
    assert dict(frames[0].dtypes) == dict(frames[1].dtypes)
    assert len(pd.concat(frames)) == 24


def test_no_trial_makes_a_table_without_rows() -> None:
    for frame, columns in ((results_frame([]), RESULTS), (patients_frame([]), PATIENTS)):
        assert list(frame.columns) == [*columns, *NAMED]
        assert frame.empty
        written = frame.drop(columns=NAMED).to_csv(index=False)
        assert list(pd.read_csv(io.StringIO(written)).columns) == columns


def test_patients_have_the_same_scores_each_and_distances_where_they_were_measured() -> None:
    distances = {"bone": {"hausdorff_95_mm": 4.0, "mean_surface_distance_mm": 1.5}}
    measured = [{**SCORES[0], "surface": distances}, *SCORES[1:]]
    patients = patients_frame([record(TUNED, measured)])
    assert list(patients.columns) == [*PATIENTS, *NAMED]
    assert len(patients) == 4 * 4
    first = row(patients, weights="best", patient="sub-01", **{"class": "bone"})
    assert first["dsc"] == 12 / 18
    assert (first["hausdorff_95_mm"], first["mean_surface_distance_mm"]) == (4.0, 1.5)
    second = row(patients, patient="sub-02", **{"class": "bone"})
    assert second["dsc"] == 0
    assert np.isnan(second["hausdorff_95_mm"])


def test_patients_add_up_to_the_pooled_scores() -> None:
    records = [record(TUNED, SCORES)]
    what = ["weights", "split", "sequence", "class"]
    summed = patients_frame(records).groupby(what)[["tp", "fp", "fn"]].sum()
    pooled = results_frame(records).set_index(what)[["tp", "fp", "fn"]].sort_index()
    pd.testing.assert_frame_equal(summed, pooled)


# How tuned values are chosen


def test_what_chooses_is_that_of_the_trials_whose_weights_were_chosen_by_it() -> None:
    untuned = record({**UNTUNED, "evaluation.choose_by": "air"}, SCORES, "a")
    tuned = record({**TUNED, "evaluation.choose_by": "bone"}, SCORES, "b")
    assert set(results_frame([untuned, tuned])["chosen_by"]) == {"validation/bone/dsc"}
    older = record(TUNED, SCORES)
    assert set(results_frame([older])["chosen_by"]) == {"validation/mean/dsc"}


def test_a_search_chooses_by_its_first_objective() -> None:
    objectives = ("validation/air/jsc", "time/total_seconds")
    assert set(results_frame([record(TUNED, SCORES)], objectives=objectives)["chosen_by"]) == {objectives[0]}


def test_each_fold_chooses_for_itself_where_one_validates_with_patients_that_another_tests() -> None:
    fold_2 = {**TUNED, "fold": "2"}
    fixed = [record(TUNED, SCORES, "a"), record(fold_2, SCORES, "b")]
    assert set(results_frame(fixed)["chosen_in"]) == {0}
    exchanged = [score("sub-03", {"tp": 5, "fp": 5, "fn": 5})]
    assert set(results_frame([fixed[0], record(fold_2, exchanged, "b")])["chosen_in"]) == {1, 2}
    # Of folds that are not recorded yet nothing is known but the setting.
    rotated = record({**fold_2, "cohort.test_patients": "rotated"}, SCORES)
    assert set(results_frame([rotated])["chosen_in"]) == {2}
