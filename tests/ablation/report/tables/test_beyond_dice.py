"""Tables of the whole scan, of attenuation and of calibration, from a small record."""

import math
from dataclasses import asdict
from typing import Any

import pytest

from ablation.record.further_scores import attenuation_frame, calibration_frame
from ablation.record.ledger import Ledger
from ablation.record.plan_record import PlanRecord
from ablation.record.results import patients_frame, results_frame
from ablation.record.selection import in_box
from ablation.report.tables.attenuation import attenuation_table
from ablation.report.tables.calibration import calibration_table
from ablation.report.tables.regions import regions
from t1t2core.evaluation.attenuation import Attenuation
from t1t2core.evaluation.calibration import BINS, Calibration
from tests.builders.recorded_sweeps import add_sweep, factors

SURE = Calibration(
    squares=30.0,
    voxels=(100, *[0] * (BINS - 2), 100),
    probabilities=(0.0, *[0.0] * (BINS - 2), 100.0),
    true=(10, *[0] * (BINS - 2), 80),
)
"""One whose probabilities are 0 or 1, and wrong in 30 of 200 voxels."""
LOW = Attenuation(voxels=100, ct=10.0, predicted=9.0, predicted_error=1.5, labels=9.8, labels_error=0.4)


@pytest.fixture
def record(ledger: Ledger) -> PlanRecord:
    """Two arms, each tested on a patient whose bone lies in part outside the box."""
    found = add_sweep(ledger, [factors("no_fine_tuning"), factors("open")])
    for trial in found.records:
        for score in [s for s in trial.scores if s["split"] == "test" and s["weights"] == "best"]:
            score["calibration"] = {name: asdict(SURE) for name in ("bone", "soft_tissue", "air")}
            trial.scores.append(of_the_whole(score))
    return found


def of_the_whole(score: dict[str, Any]) -> dict[str, Any]:
    """Twice as much of each class, and none of the rest found."""
    counts = {
        name: {"tp": found["tp"], "fp": found["fp"], "fn": found["fn"] + found["tp"] + found["fn"]}
        for name, found in score["counts"].items()
    }
    attenuation = {"head": asdict(LOW), "over_100_mm": {**asdict(LOW), "voxels": 0}}
    return {**score, "region": "whole", "counts": counts, "calibration": None, "attenuation": attenuation}


def test_the_box_stands_beside_the_whole_scan(record: PlanRecord) -> None:
    everywhere = results_frame(record.records)
    table = regions(in_box(everywhere), everywhere)
    assert list(table["arm"]) == ["no_fine_tuning", "open"]
    assert (table["bone_box"] > table["bone_whole"]).all()
    assert list(table["bone_outside_box"]) == pytest.approx([0.5, 0.5])


def test_a_record_without_whole_scans_has_no_such_table(ledger: Ledger) -> None:
    everywhere = results_frame(add_sweep(ledger, [factors("open")]).records)
    assert set(everywhere["region"]) == {"box"}
    assert regions(in_box(everywhere), everywhere).empty


def test_no_comparison_sees_the_whole_scan(record: PlanRecord) -> None:
    everywhere = results_frame(record.records)
    assert "region" not in in_box(everywhere)
    assert len(in_box(everywhere)) == (everywhere["region"] == "box").sum() < len(everywhere)


def test_calibration_is_pooled_over_the_test_patients(record: PlanRecord) -> None:
    table = calibration_table(in_box(results_frame(record.records)), calibration_frame(record.records))
    assert list(table["class"].unique()) == ["bone", "soft_tissue", "air"]
    bone = table[(table["class"] == "bone") & (table["arm"] == "open")].iloc[0]
    assert bone["brier"] == pytest.approx(30 / 200)
    assert bone["ece"] == pytest.approx((10 + 20) / 200)
    assert (bone["confidence"], bone["accuracy"]) == pytest.approx((1.0, 0.8))


def test_attenuation_is_a_mean_over_patients_and_a_region_without_voxels_has_none(record: PlanRecord) -> None:
    table = attenuation_table(in_box(results_frame(record.records)), attenuation_frame(record.records))
    assert set(table["region"]) == {"head"}
    head = table[table["arm"] == "open"].iloc[0]
    assert head["bias_percent"] == pytest.approx(-10.0)
    assert head["error_percent"] == pytest.approx(15.0)
    assert head["labels_bias_percent"] == pytest.approx(-2.0)
    assert head["error_per_cm"] == pytest.approx(0.015)


def test_records_that_were_made_before_have_neither(ledger: Ledger) -> None:
    old = add_sweep(ledger, [factors("open")])
    results = in_box(results_frame(old.records))
    assert calibration_table(results, calibration_frame(old.records)).empty
    assert attenuation_table(results, attenuation_frame(old.records)).empty


def test_patients_have_their_brier_score(record: PlanRecord) -> None:
    patients = patients_frame(record.records)
    in_the_box = patients[(patients["region"] == "box") & (patients["split"] == "test")]
    bone = in_the_box[(in_the_box["class"] == "bone") & (in_the_box["weights"] == "best")]
    assert list(bone["brier"]) == pytest.approx([30 / 200] * len(bone))
    assert all(math.isnan(value) for value in patients.loc[patients["region"] == "whole", "ece"])
