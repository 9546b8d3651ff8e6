"""A researcher runs a small search space, gives the command again, widens it, and breaks it off."""

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from mlflow.entities import Run
from safetensors import safe_open

from ablation.record.selection import in_box
from tests.end_to_end.smoke import (
    SMOKE,
    Output,
    files_of,
    parent_of,
    plan,
    run_program,
    succeed,
    trials_of,
)

pytestmark = pytest.mark.slow

TRIALS = {"no_fine_tuning", "conservative fc", "conservative 9"}
FACTORS = ["strategy", "tuned_layers", "fusion", "t2_train_size", "learning_rate", "fold", "seed"]
RESULTS = [
    *("trial_key", *FACTORS, "weights", "split", "sequence", "class"),
    *("precision", "recall", "dsc", "jsc", "tp", "fp", "fn", "patients"),
    *("epochs", "stop_reason", "seconds_per_epoch", "total_seconds", "standalone_seconds", "peak_memory_mb"),
    *("encoder_digest", "cohort_fingerprint", "mlflow_run_id", "pretraining_seed", "region", "steps"),
    "parameters",
    "flops",
]
PLAN = ["trial_key", *FACTORS, "status", "estimated_seconds", "pretraining_seed"]
CLASSES = {"bone", "soft_tissue", "air", "internal_air"}
METRICS = ["precision", "recall", "dsc", "jsc"]


# These commands follow one another, as they would at a desk; each is given once.


@pytest.fixture(scope="module")
def first(prepared_heads: Path, tmp_path_factory: pytest.TempPathFactory) -> Output:
    """From nothing but the volumes of all heads but one, whose registration takes most of a minute."""
    folder = tmp_path_factory.mktemp("smoke") / "runs"
    shutil.copytree(prepared_heads, folder / "store")
    sorted((folder / "store" / "prepared").iterdir())[0].unlink()
    return run_program(folder)


@pytest.fixture(scope="module")
def results(first: Output) -> pd.DataFrame:
    """As it was before any other command."""
    return first.table("results.csv")


@pytest.fixture(scope="module")
def smoke_runs(first: Output) -> list[Run]:
    runs = first.runs
    assert runs.keys() == {"smoke", "pretraining"}
    return runs["smoke"]


@dataclass(frozen=True)
class Again:
    """The same command, and what was there before and after it."""

    output: Output
    files_before: dict[str, bytes]
    files_after: dict[str, bytes]
    runs_before: list[Run]
    runs_after: list[Run]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("smoke/*.csv")}


@pytest.fixture(scope="module")
def again(first: Output, smoke_runs: list[Run]) -> Again:
    before = contents(first.folder)
    output = succeed(first.folder)
    return Again(output, before, contents(first.folder), smoke_runs, output.runs["smoke"])


@pytest.fixture(scope="module")
def wider(again: Again, tmp_path_factory: pytest.TempPathFactory) -> Output:
    """A space of another name with one depth more."""
    space = tmp_path_factory.mktemp("space") / "wider.yaml"
    text = SMOKE.read_text(encoding="utf-8").replace("name: smoke", "name: wider")
    space.write_text(text.replace("tuned_layers: [fc, 9]", "tuned_layers: [fc, 9, 18]"))
    return succeed(again.output.folder, space)


# One command, from scans to a table


# The volumes that are there are those that it would make: `test_it_prepares_what_storage_lacks`.
@pytest.mark.exhaustive
def test_from_nothing_the_same_table_comes_out(results: pd.DataFrame, tmp_path: Path) -> None:
    output = succeed(tmp_path / "runs")
    assert "preparing: 6 of 6 subjects" in output.stderr
    found = output.table("results.csv")
    same = [name for name in RESULTS if not name.endswith(("seconds", "_per_epoch", "_mb", "_run_id"))]
    pd.testing.assert_frame_equal(found[same], results[same])


def test_it_prepares_what_storage_lacks(first: Output) -> None:
    assert "preparing: 1 of 1 subjects" in first.stderr
    assert len(list((first.folder / "store" / "prepared").iterdir())) == 6


def test_it_ends_with_the_number_of_trials(first: Output) -> None:
    assert first.last_line == "3 trials: 3 finished (0 reused), 0 failed"


def test_the_terminal_shows_a_row_an_arm(first: Output) -> None:
    for arm in TRIALS:
        assert re.search(rf"{arm}\s.*\s\d\.\d\d\d\s", first.stdout), arm


def test_results_have_a_row_for_each_trial_weights_split_sequence_and_class(results: pd.DataFrame) -> None:
    assert list(results.columns) == RESULTS
    what = ["trial_key", "weights", "split", "sequence", "class", "region"]
    assert not results.duplicated(what).any()
    assert results["trial_key"].nunique() == 3
    whole = results[results["region"] == "whole"]
    assert set(whole["weights"]) == {"best"}
    assert set(whole["split"]) == {"test"}
    for _, rows in results[results["region"] == "box"].groupby("trial_key"):
        untuned = rows["strategy"].iloc[0] == "no_fine_tuning"
        assert set(rows["sequence"]) == ({"T1", "T2"} if untuned else {"T2"})
        assert set(rows["weights"]) == {"best", "last"}
        assert set(rows["split"]) == {"validation", "test"}
        assert set(rows["class"]) == CLASSES
        assert len(rows) == (2 if untuned else 1) * 2 * 2 * 4


def test_factors_without_meaning_are_empty(results: pd.DataFrame) -> None:
    untuned = results[results["strategy"] == "no_fine_tuning"]
    assert untuned[["tuned_layers", "fusion", "t2_train_size", "learning_rate", "seed"]].isna().all(axis=None)
    assert (untuned["fold"] == 1).all()
    assert set(untuned["stop_reason"]) == {"not_trained"}
    tuned = results[results["strategy"] == "conservative"]
    assert set(tuned["tuned_layers"]) == {"fc", "9"}
    assert tuned["fusion"].isna().all()
    assert set(tuned["stop_reason"]) == {"max_steps"}


def test_scores_follow_from_the_counts(results: pd.DataFrame) -> None:
    tp, fp, fn = results["tp"], results["fp"], results["fn"]
    expected = {
        "precision": tp / (tp + fp),
        "recall": tp / (tp + fn),
        "dsc": 2 * tp / (2 * tp + fp + fn),
        "jsc": tp / (tp + fp + fn),
    }
    for metric, values in expected.items():
        pd.testing.assert_series_equal(results[metric], values, check_names=False)


def test_counts_are_the_sums_of_the_patients(first: Output, results: pd.DataFrame) -> None:
    what = ["trial_key", "weights", "split", "sequence", "class", "region"]
    patients = first.table("patients.csv").groupby(what)
    pooled = results.set_index(what).sort_index()
    for count in ("tp", "fp", "fn"):
        pd.testing.assert_series_equal(patients[count].sum().sort_index(), pooled[count])
    pd.testing.assert_series_equal(patients["patient"].nunique(), pooled["patients"], check_names=False)


def test_every_voxel_of_the_grid_is_counted_at_most_once(first: Output) -> None:
    patients = in_box(first.table("patients.csv"))
    tissues = patients[patients["class"] != "internal_air"]
    scan = ["trial_key", "weights", "split", "sequence", "patient"]
    truth = (tissues["tp"] + tissues["fn"]).groupby([tissues[name] for name in scan]).sum()
    predicted = (tissues["tp"] + tissues["fp"]).groupby([tissues[name] for name in scan]).sum()
    pd.testing.assert_series_equal(truth, predicted)
    assert truth.max() <= 16 * 24 * 16


def test_all_trials_are_tested_on_the_same_heads_with_the_same_truth(first: Output) -> None:
    patients = in_box(first.table("patients.csv"))
    test = patients[(patients["split"] == "test") & (patients["sequence"] == "T2")]
    truth = (test["tp"] + test["fn"]).groupby([test["patient"], test["class"]]).agg(set)
    assert all(len(values) == 1 for values in truth)


def test_subjects_are_listed_with_their_roles(first: Output) -> None:
    subjects = first.table("subjects.csv").set_index("subject")
    assert list(subjects.index) == [f"sub-0{number}" for number in range(1, 7)]
    assert (subjects["sequences"] == "T1 T2").sum() == 4
    assert subjects["fold_1_T2"].notna().sum() == 4
    patients = in_box(first.table("patients.csv"))
    for (sequence, split), rows in patients.groupby(["sequence", "split"]):
        column = subjects[f"fold_1_{sequence}"]
        assert set(rows["patient"]) == set(column.index[column == split])


# The record


def test_the_record_has_one_parent_and_three_trials_all_finished(smoke_runs: list[Run]) -> None:
    parent, trials = parent_of(smoke_runs), trials_of(smoke_runs)
    assert trials.keys() == TRIALS
    assert {run.info.status for run in smoke_runs} == {"FINISHED"}
    assert {run.data.tags["mlflow.parentRunId"] for run in trials.values()} == {parent.info.run_id}


def test_trials_carry_their_tags(smoke_runs: list[Run], results: pd.DataFrame) -> None:
    by_run = results.drop_duplicates("mlflow_run_id").set_index("mlflow_run_id")
    for run in trials_of(smoke_runs).values():
        row = by_run.loc[run.info.run_id]
        for tag in ("trial_key", "encoder_digest", "cohort_fingerprint", "stop_reason"):
            assert run.data.tags[tag] == row[tag], tag
        assert re.fullmatch("[0-9a-f]{40}|unknown", run.data.tags["git_commit"])


def test_trials_carry_their_factors_and_settings(smoke_runs: list[Run]) -> None:
    trials = trials_of(smoke_runs)
    expected = {
        "strategy": "conservative",
        "tuned_layers": "9",
        "t2_train_size": "2",
        "learning_rate": "0.001",
        "fold": "1",
        "seed": "0",
        "network.width": "2",
        "training.max_steps": "4",
        "preparation.bone_above_hu": "600.0",
        "evaluation.pictures": "1",
        "cohort.phantom_subjects": "6",
    }
    assert expected.items() <= trials["conservative 9"].data.params.items()
    assert not {"fusion", "tuned_layers", "seed"} & trials["no_fine_tuning"].data.params.keys()


def test_trials_carry_their_metrics(smoke_runs: list[Run]) -> None:
    for name, run in trials_of(smoke_runs).items():
        found = run.data.metrics
        once = {"time/seconds_per_epoch", "time/total_seconds", "time/standalone_seconds", "time/epochs"}
        assert {*once, "memory/peak_mb"} <= found.keys()
        # A precision without a predicted voxel is undefined; the others always have a value here.
        for metric in ("recall", "dsc", "jsc"):
            for label in CLASSES:
                assert {f"test/{label}/{metric}", f"test_last/{label}/{metric}"} <= found.keys()
        trained = {"train/loss", "train/accuracy", "learning_rate", "validation/air/dsc"}
        assert (trained <= found.keys()) == (name != "no_fine_tuning")


def test_the_record_has_a_loss_an_epoch(first: Output, smoke_runs: list[Run]) -> None:
    client = mlflow.MlflowClient(f"sqlite:///{first.folder / 'mlflow.db'}")
    run = trials_of(smoke_runs)["conservative 9"]
    steps = [metric.step for metric in client.get_metric_history(run.info.run_id, "train/loss")]
    assert steps == list(range(1, int(run.data.metrics["time/epochs"]) + 1))


def test_the_tables_say_what_the_record_says(smoke_runs: list[Run], results: pd.DataFrame) -> None:
    rows = results[(results["split"] == "test") & (results["sequence"] == "T2")]
    for run in trials_of(smoke_runs).values():
        for row in rows[rows["mlflow_run_id"] == run.info.run_id].to_dict("records"):
            region = "test" if row["region"] == "box" else "test_whole"
            prefix = region if row["weights"] == "best" else "test_last"
            for metric in METRICS:
                recorded = run.data.metrics.get(f"{prefix}/{row['class']}/{metric}")
                assert (recorded is None) if pd.isna(row[metric]) else recorded == pytest.approx(row[metric])


def test_trials_leave_weights_a_confusion_matrix_pictures_and_scores(smoke_runs: list[Run]) -> None:
    for run in trials_of(smoke_runs).values():
        names = set(files_of(run))
        assert {"weights.safetensors", "confusion_matrix.png", "scores.json"} <= names
        assert any(re.fullmatch(r"slices_T2_sub-0\d\.png", name) for name in names)
        for name, path in files_of(run).items():
            if name.endswith(".png"):
                assert path.read_bytes().startswith(b"\x89PNG")


def test_only_trained_tensors_are_kept_with_the_digest_of_their_encoder(
    first: Output, smoke_runs: list[Run]
) -> None:
    (encoder,) = (first.folder / "store" / "encoders").glob("*.safetensors")
    with safe_open(encoder, "numpy") as file:
        whole = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    kept = {}
    for name, run in trials_of(smoke_runs).items():
        with safe_open(files_of(run)["weights.safetensors"], "numpy") as file:
            kept[name] = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            assert file.metadata()["encoder_digest"] == encoder.stem
            assert file.metadata()["trial_key"] == run.data.tags["trial_key"]
    assert kept["no_fine_tuning"] == {}
    # The classifier is one of the last nine convolutions and what follows them.
    assert 0 < len(kept["conservative fc"]) < len(kept["conservative 9"]) < len(whole)
    assert kept["conservative fc"].keys() < kept["conservative 9"].keys() < whole.keys()
    assert all(tensor.shape == whole[name].shape for name, tensor in kept["conservative 9"].items())


def test_the_encoder_says_what_it_is(first: Output) -> None:
    (card,) = (first.folder / "store" / "encoders").glob("*.json")
    said = json.loads(card.read_text(encoding="utf-8"))
    assert said["recipe"]["network"]["width"] == 2
    assert said["recipe"]["pretraining"]["max_steps"] == 4
    assert "best_validation_T1/air/dsc" in said["scores"]


def test_nothing_is_left_behind(first: Output) -> None:
    store = first.folder / "store"
    assert [path for path in (store / "outcomes").rglob("*") if path.is_file()] == []
    assert [path for path in first.folder.rglob(".*") if path.name != ".bidsignore"] == []


# The same command again


def test_the_same_command_runs_nothing_and_says_so(again: Again) -> None:
    assert again.output.last_line == "3 trials: 3 finished (3 reused), 0 failed"
    assert "preparing" not in again.output.stderr
    assert "pretrained networks to train" not in again.output.stderr
    ids = [{run.info.run_id for run in runs} for runs in (again.runs_before, again.runs_after)]
    assert ids[0] == ids[1]
    assert {run.info.status for run in again.runs_after} == {"FINISHED"}


def test_the_same_command_writes_the_same_results(again: Again) -> None:
    for name in ("results.csv", "patients.csv", "subjects.csv"):
        assert again.files_after[name] == again.files_before[name], name


def test_the_plan_of_what_is_recorded(again: Again) -> None:
    planned = plan(again.output.folder)
    assert planned.last_line == "3 trials: 3 recorded, 0 to run, about 0:00:00"
    listed = planned.table("plan.csv")
    assert list(listed.columns) == PLAN
    assert set(listed["status"]) == {"recorded"}
    assert set(listed["trial_key"]) == set(planned.table("results.csv")["trial_key"])


def test_the_plan_of_running_it_again_goes_by_how_long_it_took(again: Again) -> None:
    planned = plan(again.output.folder, "--rerun")
    assert planned.last_line.startswith("3 trials: 0 recorded, 3 to run, about ")
    anew = planned.table("plan.csv")["estimated_seconds"]
    assert list(anew) == list(plan(again.output.folder).table("plan.csv")["estimated_seconds"])


# More of it


@pytest.mark.exhaustive  # tests/ablation/record has what is reused
def test_only_what_is_new_runs_wherever_the_rest_was_asked_for_first(wider: Output) -> None:
    assert wider.last_line == "4 trials: 4 finished (3 reused), 0 failed"
    runs = wider.runs
    assert trials_of(runs["wider"]).keys() == {"conservative 18"}
    assert trials_of(runs["smoke"]).keys() == TRIALS
    results = wider.table("results.csv", "wider")
    assert results["trial_key"].nunique() == 4
    assert set(results["mlflow_run_id"]) == {
        run.info.run_id for part in runs.values() for run in trials_of(part).values()
    }


@pytest.mark.exhaustive  # tests/ablation/record has what is reused
def test_encoder_and_volumes_are_reused(wider: Output) -> None:
    assert "preparing" not in wider.stderr
    assert "pretrained networks to train" not in wider.stderr
    assert len(list((wider.folder / "store" / "encoders").glob("*.safetensors"))) == 1


@pytest.mark.exhaustive  # tests/ablation/record has what is reused
def test_the_parent_links_what_it_reused(wider: Output) -> None:
    runs = wider.runs
    note = parent_of(runs["wider"]).data.tags["mlflow.note.content"]
    for name, run in trials_of(runs["smoke"]).items():
        assert f"[{name}](#/experiments/{run.info.experiment_id}/runs/{run.info.run_id})" in note
