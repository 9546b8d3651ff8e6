"""New scans labelled from the command line, with networks that a sweep recorded."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from typer.testing import CliRunner, Result

from ablation.commands.segment import app, scan_name
from ablation.models.registry import register
from t1t2core.cohort.scan import read_scan
from t1t2core.evaluation.labelling import label_scan
from t1t2core.settings import CohortSettings
from tests.builders.heads import FLOAT32
from tests.builders.recorded_sweep import RecordedSweep
from tests.builders.records import CARD, SMALL, record_trial
from tests.conftest import Record


class Bench(RecordedSweep):
    """One that labels scans."""

    def segment(self, *arguments: str | Path) -> Result:
        """The command as given, with this output folder."""
        given = [*map(str, arguments), "--out", str(self.folder / "out")]
        return CliRunner().invoke(app, [*given, "--output", str(self.folder / "runs")])

    def labels(self, name: str) -> np.ndarray:
        return sitk.GetArrayFromImage(sitk.ReadImage(self.folder / "out" / f"{name}_dseg.nii.gz"))


@pytest.fixture
def bench(tmp_path: Path, add_record: Callable[[Path], Record]) -> Bench:
    return Bench(tmp_path, add_record(tmp_path / "runs"))


@pytest.fixture(scope="module")
def t2w(tiny_heads: Path) -> Path:
    return sorted(tiny_heads.glob("sub-*/anat/*_T2w.nii.gz"))[0]


def test_the_best_arm_labels_a_scan_as_its_folds_do_together(bench: Bench, t2w: Path) -> None:
    given = bench.segment("best:conservative:bone", t2w)
    assert given.exit_code == 0, given.output
    name = t2w.name.removesuffix(".nii.gz")
    assert given.stdout.splitlines() == [str(bench.folder / "out" / f"{name}_dseg.nii.gz")]
    assert "conservative 9, 8 patients of conservative: validation DSC of bone 0.600" in given.stderr
    direct = label_scan(read_scan(t2w), bench.networks, SMALL.preparation, SMALL.training, FLOAT32)
    assert len(np.unique(bench.labels(name))) > 1
    assert np.array_equal(bench.labels(name), sitk.GetArrayFromImage(direct))


def test_one_run_and_a_registered_model_label_too(bench: Bench, t2w: Path) -> None:
    name = t2w.name.removesuffix(".nii.gz")
    assert bench.segment("best:conservative:bone", t2w).exit_code == 0
    together = bench.labels(name)
    assert bench.segment(f"runs:/{bench.runs[0]}", t2w).exit_code == 0
    alone = label_scan(read_scan(t2w), bench.networks[:1], SMALL.preparation, SMALL.training, FLOAT32)
    assert np.array_equal(bench.labels(name), sitk.GetArrayFromImage(alone))
    model = register(bench.ledger, [bench.ledger.client.get_run(run) for run in bench.runs], "skull", CARD)
    assert bench.segment(model, t2w).exit_code == 0
    assert np.array_equal(bench.labels(name), together)


def test_scans_come_in_any_format(bench: Bench, t2w: Path, tmp_path: Path) -> None:
    scan = read_scan(t2w)
    sitk.WriteImage(scan, tmp_path / "head.one.mha")
    series = tmp_path / "series"
    series.mkdir()
    whole = sitk.Cast(scan, sitk.sitkInt16)
    for number in range(whole.GetDepth()):
        piece = whole[:, :, number : number + 1]
        piece.SetMetaData("0020|000e", "1.2.3")
        piece.SetMetaData("0020|0013", str(number))
        piece.SetMetaData("0020|0032", "\\".join(map(str, piece.GetOrigin())))
        axes = np.reshape(scan.GetDirection(), (3, 3))[:, :2].T.ravel()
        piece.SetMetaData("0020|0037", "\\".join(map(str, axes)))
        writer = sitk.ImageFileWriter()
        writer.KeepOriginalImageUIDOn()
        writer.SetFileName(str(series / f"{number}.dcm"))
        writer.Execute(piece)
    given = bench.segment(f"runs:/{bench.runs[0]}", tmp_path / "head.one.mha", series)
    assert given.exit_code == 0, given.output
    agreement = (bench.labels("head.one") == bench.labels("series")).mean()
    assert agreement > 0.99


def test_names_keep_all_but_the_ending(tmp_path: Path) -> None:
    names = ("sub-01_T2w.nii.gz", "p1.t2.mha", "IM0001", "a.NII.GZ")
    assert [scan_name(tmp_path / name) for name in names] == ["sub-01_T2w", "p1.t2", "IM0001", "a"]
    (tmp_path / "1.2.840").mkdir()
    assert scan_name(tmp_path / "1.2.840") == "1.2.840"


def test_labels_have_the_name_of_the_link_that_was_given(bench: Bench, t2w: Path, tmp_path: Path) -> None:
    annex = tmp_path / "data" / ".git" / "annex" / "SHA256E-s1--ab.nii.gz"
    annex.parent.mkdir(parents=True)
    shutil.copy(t2w, annex)
    links = [tmp_path / "data" / f"sub-{number}_T2w.nii.gz" for number in ("07", "08")]
    for link in links:
        link.symlink_to(annex)
    given = bench.segment(f"runs:/{bench.runs[0]}", *links)
    assert given.exit_code == 0, given.output
    assert np.array_equal(bench.labels("sub-07_T2w"), bench.labels("sub-08_T2w"))
    annex.unlink()
    given = bench.segment(f"runs:/{bench.runs[0]}", *links)
    assert given.exit_code == 2
    for link in links:
        assert f"{link}: a link to nothing: run `datalad get {link}`" in given.stderr


def test_a_link_to_a_folder_names_it_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "1.2.840").mkdir()
    (tmp_path / "sub-07.t2").symlink_to("1.2.840")
    assert scan_name(tmp_path / "sub-07.t2") == "sub-07.t2"
    monkeypatch.chdir(tmp_path / "1.2.840")
    assert [scan_name(Path(name)) for name in (".", "../1.2.840", "..")] == [
        *("1.2.840", "1.2.840", tmp_path.name)
    ]


def test_networks_of_a_cohort_with_a_long_list_label_as_any_other(bench: Bench, t2w: Path) -> None:
    names = tuple(f"sub-{number:04}-of-a-long-study" for number in range(400))
    settings = replace(SMALL, cohort=CohortSettings(exclude=names))
    run = record_trial(bench.ledger, bench.networks[0], encoder=bench.digests[0], fold=8, settings=settings)
    given = bench.segment(f"runs:/{run}", t2w)
    assert given.exit_code == 0, given.output


def test_doubtful_scans_are_labelled_with_a_warning(bench: Bench, t2w: Path) -> None:
    t1w = Path(str(t2w).replace("T2w", "T1w"))
    given = bench.segment(f"runs:/{bench.runs[0]}", t1w)
    assert given.exit_code == 0
    assert f"warning: {t1w}: it looks like T1w, not T2w" in given.stderr
    given = bench.segment(f"runs:/{bench.runs[0]}", t1w, "--sequence", "T1")
    assert "looks like" not in given.stderr
    assert "conservative learns T2w; it was never scored on T1w scans" in given.stderr


def test_what_was_assumed_of_a_scan_is_told(bench: Bench, t2w: Path, tmp_path: Path) -> None:
    scan = nib.load(t2w)
    scan.header["sform_code"] = scan.header["qform_code"] = 0
    nib.save(nib.Nifti1Image(np.asarray(scan.dataobj), None, scan.header), tmp_path / "old_T2w.nii.gz")
    given = bench.segment(f"runs:/{bench.runs[0]}", tmp_path / "old_T2w.nii.gz")
    assert given.exit_code == 0, given.output
    assert (
        f"warning: {tmp_path / 'old_T2w.nii.gz'}: its header does not say which side is left" in given.stderr
    )


def test_networks_that_see_a_scan_differently_do_not_label_together(bench: Bench, t2w: Path) -> None:
    runs = [bench.ledger.client.get_run(run) for run in bench.runs]
    coarser = replace(SMALL, preparation=replace(SMALL.preparation, voxel_mm=(7.0, 7.0, 7.0)))
    odd = record_trial(bench.ledger, bench.networks[0], encoder=bench.digests[0], fold=9, settings=coarser)
    model = register(bench.ledger, [*runs, bench.ledger.client.get_run(odd)], "mixed", CARD)
    given = bench.segment(model, t2w)
    assert given.exit_code == 2
    assert "different preparation or patches" in given.stderr


def test_scans_that_cannot_be_used_are_all_named_before_anything_is_labelled(
    bench: Bench, t2w: Path, tmp_path: Path
) -> None:
    (tmp_path / "text.nii.gz").write_text("no image")
    given = bench.segment("best:conservative:bone", t2w, tmp_path / "absent.nii.gz", tmp_path / "text.nii.gz")
    assert given.exit_code == 2
    assert "absent.nii.gz: there is no such file" in given.stderr
    assert "text.nii.gz: " in given.stderr
    assert list((tmp_path / "out").iterdir()) == []


def test_two_scans_of_one_name_are_refused(bench: Bench, t2w: Path, tmp_path: Path) -> None:
    other = shutil.copy(t2w, tmp_path / t2w.name.upper().replace(".NII.GZ", ".nii.gz"))
    given = bench.segment("best:conservative:bone", t2w, other)
    assert given.exit_code == 2
    assert str(t2w) in given.stderr
    assert str(other) in given.stderr


def test_what_is_missing_is_told_in_one_message(bench: Bench, t2w: Path, tmp_path: Path) -> None:
    given = bench.segment("best:conservativ:bone", t2w)
    assert (given.exit_code, "recorded are conservative" in given.stderr) == (2, True)
    bench.encoders.storage.delete(f"encoders/{bench.digests[1]}.json")
    given = bench.segment("best:conservative:bone", t2w)
    assert (given.exit_code, f"no encoder {bench.digests[1]} in" in given.stderr) == (2, True)
    elsewhere = CliRunner().invoke(
        app, ["runs:/1", str(t2w), "--out", str(tmp_path / "out"), "--output", str(tmp_path / "nowhere")]
    )
    assert (elsewhere.exit_code, "there is no record at" in elsewhere.stderr) == (2, True)
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_that_cannot_be_written_is_refused(bench: Bench, t2w: Path) -> None:
    (bench.folder / "out").mkdir(mode=0o500)
    given = bench.segment("best:conservative:bone", t2w)
    assert (given.exit_code, "cannot be written" in given.stderr) == (2, True)


def test_labels_are_a_bids_derivative(bench: Bench, t2w: Path) -> None:
    run, name = f"runs:/{bench.runs[0]}", t2w.name.removesuffix(".nii.gz")
    outside = Path(shutil.copy(t2w, bench.folder / "alone.nii.gz"))
    given = bench.segment(run, t2w, outside)
    assert given.exit_code == 0, given.output
    out = bench.folder / "out"
    table = (out / "dseg.tsv").read_text().splitlines()
    assert table == ["index\tname\tabbreviation", "0\tair\tA", "1\tsoft_tissue\tST", "2\tbone\tB"]
    about = json.loads((out / "dataset_description.json").read_text())
    assert (about["DatasetType"], about["GeneratedBy"][0]["Name"]) == ("derivative", "t1t2-ablation")
    dataset = t2w.parents[2].resolve().as_uri()
    assert (about["SourceDatasets"], about["DatasetLinks"]) == ([{"URL": dataset}], {"source": dataset})
    sidecar = json.loads((out / f"{name}_dseg.json").read_text())
    assert sidecar["Sources"] == [f"bids:source:{t2w.relative_to(t2w.parents[2])}"]
    assert (sidecar["Model"], sidecar["ModelRuns"]) == (run, [bench.runs[0]])
    assert json.loads((out / "alone_dseg.json").read_text())["Sources"] == [outside.resolve().as_uri()]
    # What is there already and ours is renewed.
    assert bench.segment("best:conservative:bone", t2w).exit_code == 0
    sidecar = json.loads((out / f"{name}_dseg.json").read_text())
    assert (sidecar["Model"], len(sidecar["ModelRuns"])) == ("best:conservative:bone", 2)
    assert json.loads((out / "dataset_description.json").read_text()) == about


def test_a_validator_accepts_the_derivative(bench: Bench, t2w: Path) -> None:
    validator = Path(sys.executable).parent / "bids-validator-deno"
    if not validator.exists():
        pytest.skip("bids-validator-deno is not installed, as pip install -e '.[bids]' does")
    assert bench.segment(f"runs:/{bench.runs[0]}", t2w).exit_code == 0
    ended = subprocess.run(
        [validator, "--json", bench.folder / "out"], capture_output=True, text=True, check=False
    )
    issues = json.loads(ended.stdout)["issues"]["issues"]
    assert [issue for issue in issues if issue["severity"] == "error"] == []
    assert ended.returncode == 0


def test_a_folder_of_something_else_is_left_alone(bench: Bench, t2w: Path) -> None:
    out = bench.folder / "out"
    out.mkdir()
    (out / "dataset_description.json").write_text('{"Name": "Mine", "BIDSVersion": "1.10.0"}')
    given = bench.segment(f"runs:/{bench.runs[0]}", t2w)
    assert given.exit_code == 2
    assert "describes a dataset that t1t2-ablation did not make" in given.stderr
    assert [path.name for path in out.iterdir()] == ["dataset_description.json"]
    (out / "dataset_description.json").unlink()
    assert bench.segment(f"runs:/{bench.runs[0]}", t2w).exit_code == 0
    (out / "dseg.tsv").write_text("index\tname\tabbreviation\n0\tbackground\tB\n")
    given = bench.segment(f"runs:/{bench.runs[0]}", t2w)
    assert (given.exit_code, "holds label maps of other classes" in given.stderr) == (2, True)
