"""Label maps that something else made, beside the arms of a sweep: how far are they from ours?"""

import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from ablation.commands.report import app
from ablation.record.ledger import Ledger
from tests.builders.parts import AFFINE, SHAPE, save
from tests.builders.parts_sweep import PartsSweep, record_parts_sweep

pytestmark = pytest.mark.slow
SCORES = ["split", "sequence", "class", "region", "tp", "fp", "fn", "dsc", "patients"]


@pytest.fixture(scope="module")
def sweep(blank_record: Path, tmp_path_factory: pytest.TempPathFactory) -> PartsSweep:
    folder = tmp_path_factory.mktemp("sweep")
    (folder / "runs").mkdir()
    shutil.copy(blank_record, folder / "runs" / "mlflow.db")
    ledger = Ledger(f"sqlite:///{folder / 'runs' / 'mlflow.db'}", folder / "runs" / "artifacts")
    return record_parts_sweep(folder, ledger)


def report(sweep: PartsSweep, *options: str | Path) -> Result:
    words = ["--space", sweep.space, "--output", sweep.output, *options]
    return CliRunner().invoke(app, [str(word) for word in words])


def test_one_more_arm_in_all_tables(sweep: PartsSweep, tmp_path: Path) -> None:
    for name in sweep.split.t2.test:
        (tmp_path / "truth").mkdir(exist_ok=True)
        shutil.copy(sweep.truth(name), tmp_path / "truth")
        save(tmp_path / "ours" / f"{name}.nii.gz", sweep.predictions[name])
    told = report(
        sweep, "--external", f"truth={tmp_path / 'truth'}", "--external", f"ours={tmp_path / 'ours'}"
    )
    assert told.exit_code == 0, told.output
    folder = sweep.output / "small"
    rows = pd.read_csv(folder / "results.csv")
    by_arm = {name: part[SCORES].reset_index(drop=True) for name, part in rows.groupby("strategy")}
    truth = by_arm["truth (external)"]
    assert set(truth["split"]) == {"test"}  # nothing is known of validation: it is never the best by it
    assert set(truth["region"]) == {"box", "whole"}
    assert (truth["dsc"] == 1).all()
    assert (truth["tp"] > 0).all()
    tested = rows[(rows["strategy"] == "scratch") & (rows["split"] == "test") & (rows["weights"] == "best")]
    pd.testing.assert_frame_equal(by_arm["ours (external)"], tested[SCORES].reset_index(drop=True))
    patients = pd.read_csv(folder / "patients.csv")
    assert set(patients["strategy"]) == {"scratch", "truth (external)", "ours (external)"}
    comparisons = pd.read_csv(folder / "report/tables/comparisons.csv")
    assert {"truth (external)", "ours (external)"} <= {*comparisons["first"], *comparisons["second"]}
    summary = pd.read_csv(folder / "report/tables/summary.csv")
    assert list(summary["arm"]) == ["scratch", "truth (external)", "ours (external)"]
    page = (folder / "report/index.html").read_text(encoding="utf-8")
    assert "truth (external): label maps that something else made" in page
    # A later report needs neither scans nor label maps.
    shutil.rmtree(tmp_path / "truth")
    assert report(sweep).exit_code == 0
    assert "truth (external)" in set(pd.read_csv(folder / "results.csv")["strategy"])


def test_predictions_of_nnunet_have_its_values(sweep: PartsSweep, tmp_path: Path) -> None:
    dataset = tmp_path / "Dataset001_small"
    told = report(sweep, "--export", "nnunet", dataset)
    assert told.exit_code == 0, told.output
    assert json.loads((dataset / "dataset.json").read_text())["labels"] == {"background": 0, "lesion": 1}
    for name in sweep.split.t2.test:
        truth = np.asarray(nib.load(sweep.truth(name)).dataobj)
        save(tmp_path / "predicted" / f"{name}.nii.gz", (truth == 3).astype(np.uint8))
    shutil.copy(dataset / "dataset.json", tmp_path / "predicted")
    told = report(sweep, "--external", f"nnunet={tmp_path / 'predicted'}")
    assert told.exit_code == 0, told.output
    rows = pd.read_csv(sweep.output / "small" / "results.csv")
    assert (rows.loc[rows["strategy"] == "nnunet (external)", "dsc"] == 1).all()


def test_label_maps_that_cannot_be_scored(sweep: PartsSweep, tmp_path: Path) -> None:
    name = sweep.split.t2.test[0]
    given = ("--external", f"nnunet={tmp_path}")
    refused(report(sweep, *given), f"{name}: no {name}.nii.gz and no {name}*_dseg.nii.gz in {tmp_path}")
    other = AFFINE.copy()
    other[0, 3] += 5
    save(tmp_path / f"{name}.nii.gz", np.zeros(SHAPE, np.uint8), other)
    refused(report(sweep, *given), "not on the grid of", f"{name}_T2w.nii.gz")
    save(tmp_path / f"{name}.nii.gz", np.full(SHAPE, 8, np.uint8))
    refused(report(sweep, *given), "a label map has 0 (background) and 3 (lesion) only", "found 8")
    save(tmp_path / f"{name}_dseg.nii.gz", np.zeros(SHAPE, np.uint8))
    refused(report(sweep, *given), "several label maps, one is expected")
    refused(report(sweep, "--external", "nowhere"), "NAME=DIR is expected")
    refused(report(sweep, "--external", f"a={tmp_path / 'nowhere'}"), "is no folder")


def test_a_folder_for_a_dataset_is_a_new_one(sweep: PartsSweep, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").touch()
    refused(report(sweep, "--export", "nnunet", tmp_path), "is not empty")
    refused(report(sweep, "--export", "monai", tmp_path), "nnunet, bundle or onnx is expected")


def refused(result: Result, *parts: str) -> None:
    assert result.exit_code == 2, result.output
    assert all(part in result.stderr for part in parts), result.stderr
    assert "Traceback" not in result.stderr
