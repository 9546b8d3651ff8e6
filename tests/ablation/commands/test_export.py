"""The best networks of a sweep, taken out of it: a bundle that MONAI runs, and an ONNX file."""

import json
from collections.abc import Callable
from pathlib import Path

import monai.bundle
import nibabel as nib
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from typer.testing import CliRunner, Result

from ablation.commands.report import app
from ablation.commands.segment import app as segment
from ablation.record.runs import Measured
from tests.builders.recorded_sweep import RecordedSweep
from tests.builders.records import SMALL
from tests.conftest import Record

PATCH = SMALL.training.patch


@pytest.fixture
def sweep(tmp_path: Path, add_record: Callable[[Path], Record]) -> RecordedSweep:
    arm = "{strategy: conservative, tuned_layers: 9}"
    (tmp_path / "space.yaml").write_text(f"name: conservative\narms:\n  - {arm}\n", encoding="utf-8")
    return RecordedSweep(tmp_path, add_record(tmp_path / "runs"))


def export(sweep: RecordedSweep, *words: str | Path) -> Result:
    given = ["--space", sweep.folder / "space.yaml", "--output", sweep.folder / "runs", "--export", *words]
    return CliRunner().invoke(app, [str(word) for word in given])


@pytest.mark.slow
def test_monai_runs_the_bundle_and_labels_as_segment_does(sweep: RecordedSweep, tiny_heads: Path) -> None:
    for run in sweep.runs:
        sweep.ledger.log(run, [Measured({"test/bone/dsc": 0.5}, 1, 0.0)])
    bundle, scans = sweep.folder / "bundle", sweep.folder / "scans"
    told = export(sweep, "bundle", bundle)
    assert told.exit_code == 0, told.output
    assert told.stdout.splitlines() == [str(bundle)]
    scan = sorted(tiny_heads.glob("sub-*/anat/*_T2w.nii.gz"))[0]
    scans.mkdir()
    (scans / scan.name).write_bytes(scan.read_bytes())
    monai.bundle.run(
        config_file=str(bundle / "configs" / "inference.json"),
        bundle_root=str(bundle),
        dataset_dir=str(scans),
    )
    words = ["best:conservative:bone", scan, "--out", sweep.folder / "own", "--output", sweep.folder / "runs"]
    assert CliRunner().invoke(segment, [str(word) for word in words]).exit_code == 0
    name = scan.name.replace(".nii.gz", "_dseg.nii.gz")
    theirs, ours = (nib.load(folder / name) for folder in (bundle / "labels", sweep.folder / "own"))
    assert np.array_equal(theirs.affine, ours.affine)
    labels = np.asarray(ours.dataobj)
    assert len(np.unique(labels)) > 1
    assert (np.asarray(theirs.dataobj) == labels).mean() > 0.999  # sums in another order: ties fall otherwise
    about = json.loads((bundle / "configs" / "metadata.json").read_text())
    assert about["network_data_format"]["outputs"]["logits"]["channel_def"]["2"] == "bone"
    assert about["eval_metrics"] == {"test_bone_dice": 0.5}
    assert "conservative 9" in (bundle / "docs" / "README.md").read_text()


@pytest.mark.slow
def test_onnx_runtime_gives_what_the_networks_give_together(sweep: RecordedSweep) -> None:
    told = export(sweep, "onnx", sweep.folder / "onnx", "--best-for", "bone")
    assert told.exit_code == 0, told.output
    file = sweep.folder / "onnx" / "model.onnx"
    image = torch.randn((1, 1, *PATCH), generator=torch.Generator().manual_seed(3))
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {"image": image.numpy()})
    with torch.no_grad():
        each = [network.eval()(image).softmax(dim=1) for network in sweep.networks]
    found = torch.from_numpy(logits).softmax(dim=1)
    assert torch.allclose(found, torch.stack(each).mean(dim=0), atol=1e-4)
    assert float((each[0] - each[1]).abs().max()) > 1e-3, "two networks that agree would show nothing"
    told_of = {entry.key: entry.value for entry in onnx.load(file).metadata_props}
    assert json.loads(told_of["classes"]) == ["air", "soft_tissue", "bone"]
    assert json.loads(told_of["patch"]) == list(PATCH)
    assert json.loads(told_of["preparation"])["voxel_mm"] == [6.0, 6.0, 6.0]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("bundel", "new"), "--export bundel: nnunet, bundle or onnx is expected, and a folder"),
        (("onnx", "full"), "full: is not empty; name a new folder"),
        (("onnx", "new", "--best-for", "bones"), "'bones' is no class"),
        (("nnunet", "new", "--best-for", "bone"), "--best-for is for --export bundle and --export onnx"),
        (("bundle", "new", "--cohort", "phantom"), "--export bundle: no --cohort is needed"),
    ],
)
def test_what_cannot_be_exported(sweep: RecordedSweep, words: tuple[str, ...], message: str) -> None:
    (sweep.folder / "full").mkdir()
    (sweep.folder / "full" / "file").touch()
    form, name, *others = words
    told = export(sweep, form, sweep.folder / name, *others)
    assert told.exit_code == 2
    assert message in told.stderr
    assert not (sweep.folder / "new").exists()
    assert not list(sweep.folder.glob(".*"))
