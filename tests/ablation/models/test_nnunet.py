"""A sweep's scans and folds as nnU-Net reads them, checked by nnU-Net where it is installed."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from ablation.models.nnunet import export_nnunet
from ablation.record.plan_record import read_plan
from tests.builders.parts_sweep import SPACE, record_parts_sweep
from tests.conftest import Record

pytestmark = pytest.mark.slow


def test_scans_truth_and_folds(
    tmp_path: Path, add_record: Callable[[Path], Record], capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = add_record(tmp_path / "runs").open()
    sweep = record_parts_sweep(tmp_path, ledger)
    folder = tmp_path / "Dataset007_Heads"
    plan = read_plan(ledger, SPACE)
    export_nnunet(ledger, plan, folder, cohort=None, output=sweep.output, storage=None, show=lambda _: None)
    roles = sweep.split.t2
    trained = sorted([*roles.training, *roles.validation])
    names = {
        part: sorted(path.name for path in (folder / part).iterdir()) for part in ("imagesTr", "imagesTs")
    }
    assert names["imagesTr"] == [f"{name}_0000.nii.gz" for name in trained]
    assert names["imagesTs"] == [f"{name}_0000.nii.gz" for name in roles.test]
    assert sorted(path.name for path in (folder / "labelsTr").iterdir()) == [f"{n}.nii.gz" for n in trained]
    for name in trained:
        image, labels = (
            nib.load(folder / f"imagesTr/{name}_0000.nii.gz"),
            nib.load(folder / f"labelsTr/{name}.nii.gz"),
        )
        assert np.array_equal(image.affine, labels.affine)
        truth = np.asarray(nib.load(sweep.truth(name)).dataobj)
        assert np.array_equal(np.asarray(labels.dataobj), truth // 3)
    about = json.loads((folder / "dataset.json").read_text())
    assert about["channel_names"] == {"0": "T2w"}
    assert about["labels"] == {"background": 0, "lesion": 1}
    assert about["numTraining"] == len(trained)
    folds = json.loads((folder / "splits_final.json").read_text())
    assert folds == [{"train": list(roles.training), "val": list(roles.validation)}]
    listed = pd.read_csv(folder / "splits.csv")
    is_test = (listed["sequence"] == "T2") & (listed["role"] == "test")
    assert list(listed.loc[is_test, "subject"]) == list(roles.test)
    verify = pytest.importorskip(
        "nnunetv2.experiment_planning.verify_dataset_integrity", reason="nnU-Net is not installed"
    )
    verify.verify_dataset_integrity(str(folder), num_processes=1)
    assert "verify_dataset_integrity Done" in capsys.readouterr().out
    shutil.copy(folder / f"imagesTr/{trained[0]}_0000.nii.gz", folder / "imagesTr/sub-99_0000.nii.gz")
    with pytest.raises(Exception, match="sub-99"):
        verify.verify_dataset_integrity(str(folder), num_processes=1)
