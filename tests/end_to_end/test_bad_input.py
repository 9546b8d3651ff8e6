"""A user gets something wrong: one message that helps, exit status 2, and nothing is spent."""

import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from typer.testing import CliRunner

from ablation.commands import pretrain, run
from tests.conftest import Record
from tests.faults.server import free_port

SMOKE = Path(__file__).parents[2] / "search_spaces" / "smoke.yaml"


class Session:
    """A user at a terminal, with an output folder whose record is empty."""

    def __init__(self, folder: Path, record: Record, heads: Path) -> None:
        self.folder = folder
        self.output = folder / "runs"
        self.record = record
        self.heads = heads

    def space(self, old: str = "", new: str = "", *, name: str = "mine.yaml") -> Path:
        """A copy of the smoke space with a part of it replaced."""
        text = SMOKE.read_text(encoding="utf-8")
        assert old in text
        path = self.folder / name
        path.write_text(text.replace(old, new, 1))
        return path

    def refused(self, *arguments: object, space: Path | None = None, cohort: Path | None = None) -> str:
        """What the command says when it refuses."""
        given = {"--space": space or SMOKE, "--cohort": cohort or self.heads, "--preset": "demo"}
        options = [str(part) for pair in given.items() for part in pair]
        if "--output" not in arguments:
            options += ["--output", str(self.output)]
        result = CliRunner().invoke(run.app, [*options, *map(str, arguments)])
        assert result.exit_code == 2, (result.output, result.exception)
        assert result.stdout == ""
        assert "Traceback" not in result.stderr
        self.check_nothing_spent()
        return result.stderr

    def check_nothing_spent(self) -> None:
        assert not list(self.output.glob("store/prepared/*"))
        assert not list(self.output.glob("store/encoders/*"))
        client = self.record.open().client
        assert [e.name for e in client.search_experiments()] == ["Default"]

    def copy_heads(self) -> Path:
        """Heads that may be changed."""
        return shutil.copytree(self.heads, self.folder / "heads")


@pytest.fixture
def session(tmp_path: Path, add_record: Callable[[Path], Record], tiny_heads: Path) -> Session:
    return Session(tmp_path, add_record(tmp_path / "runs"), tiny_heads)


# The search space


def test_an_unknown_key(session: Session) -> None:
    space = session.space("learning_rate:", "learning_rates:")
    message = session.refused(space=space)
    assert f"search space {space} cannot be used" in message
    assert "learning_rates: unknown key; allowed: " in message
    assert "did you mean learning_rate?" in message


@pytest.mark.parametrize(
    ("right", "wrong", "place", "nearest"),
    [
        ("strategy: conservative", "strategy: conservativ", "arms[1].strategy", "conservative"),
        ("tuned_layers: [fc, 9]", "tuned_layers: [fcs, 9]", "arms[1].tuned_layers[0]", "fc"),
    ],
)
def test_a_misspelt_value_and_the_nearest_right_one(
    session: Session, right: str, wrong: str, place: str, nearest: str
) -> None:
    message = session.refused(space=session.space(right, wrong))
    assert f"{place}: found" in message
    assert f"did you mean {nearest}?" in message


def test_a_value_out_of_range(session: Session) -> None:
    message = session.refused(space=session.space("tuned_layers: [fc, 9]", "tuned_layers: [fc, 10]"))
    assert "tuned_layers: 10" in message
    assert "fc, 3, 6, 9, 12, 15, 18" in message


def test_an_empty_list(session: Session) -> None:
    message = session.refused(space=session.space("folds: [1]", "folds: []"))
    assert "folds: found ()" in message or "folds: found []" in message
    assert "one or more whole numbers, from 1" in message


def test_a_misspelt_setting_in_the_space(session: Session) -> None:
    space = session.space("network: {width: 2}", "network: {witdh: 2}")
    message = session.refused(space=space)
    assert f"{space}: network.witdh: no such setting" in message
    assert "did you mean width?" in message


def test_a_file_that_is_not_there(session: Session) -> None:
    message = session.refused(space=session.folder / "smok.yaml")
    assert "smok.yaml is not there; did you mean" in message
    assert "smoke.yaml" in message


def test_a_patch_that_does_not_fit_the_grid(session: Session) -> None:
    message = session.refused("--set", "training.patch=[32,24,16]")
    assert "32" in message
    assert "16" in message


# Options


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("training.max_epoch=3", "did you mean max_epochs?"),
        ("trainning.max_epochs=3", "did you mean training?"),
        ("max_epochs=3", "expected GROUP.NAME=VALUE, such as training.max_epochs=3"),
        ("training.max_epochs", "expected GROUP.NAME=VALUE, such as training.max_epochs=3"),
        ("training.max_epochs=-3", "greater than 0 (found -3)"),
        ("training.loss=dise", "'dice'"),
    ],
)
def test_a_wrong_setting_on_the_command_line(session: Session, override: str, said: str) -> None:
    message = session.refused("--set", override)
    assert f"--set {override.split('=')[0]}" in message
    assert said in message


def test_all_wrong_settings_are_named_at_once(session: Session) -> None:
    message = session.refused("--set", "training.max_epoch=3", "--set", "network.witdh=2")
    assert "did you mean max_epochs?" in message
    assert "did you mean width?" in message


def test_no_space_at_all(session: Session) -> None:
    result = CliRunner().invoke(run.app, ["--output", str(session.output)])
    assert result.exit_code == 2
    assert "a search space is needed" in result.stderr


def test_an_output_folder_that_cannot_be_made(session: Session) -> None:
    file = session.folder / "occupied"
    file.write_text("")
    for output in (file, file / "below"):
        message = session.refused("--output", output)
        assert message.startswith(f"--output {output}: cannot be made")


def test_storage_that_is_a_file(session: Session) -> None:
    file = session.folder / "occupied"
    file.write_text("")
    message = session.refused("--storage", file)
    assert message.startswith(f"storage {file} cannot be used")


def test_storage_that_does_not_answer(session: Session) -> None:
    message = session.refused(
        "--storage", f"s3://bucket/store?endpoint_override=127.0.0.1:{free_port()}&scheme=http"
    )
    assert message.startswith("storage s3://bucket/store")
    assert "connect" in message


def test_a_record_that_does_not_answer(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = f"http://127.0.0.1:{free_port()}"
    assert f"tracking address {uri} does not answer" in session.refused("--tracking-uri", uri)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert f"tracking address {uri} does not answer" in session.refused()


@pytest.mark.parametrize("encoder", ["0123abcd", "nowhere/encoder.safetensors"])
def test_an_encoder_that_is_nowhere(session: Session, encoder: str) -> None:
    assert f"--encoder {encoder}: " in session.refused("--encoder", encoder)


# The cohort


@pytest.mark.parametrize("option", ["fold", "size"])
def test_what_the_cohort_cannot_give_is_said_with_its_numbers(session: Session, option: str) -> None:
    if option == "fold":
        message = session.refused(space=session.space("folds: [1]", "folds: [1, 4]"))
        assert "the cohort has 4 T2w patients: 3 folds 1..3; found folds 4" in message
    else:
        message = session.refused(space=session.space("t2_train_size: [2]", "t2_train_size: [2, 5]"))
        assert "the cohort has 4 T2w patients: at most 2 for training" in message
        assert "found t2_train_size 5" in message


def test_a_cohort_that_is_not_there(session: Session) -> None:
    message = session.refused(cohort=session.folder / "nowhere")
    assert "nowhere: there is no such cohort" in message


def test_a_folder_without_subjects(session: Session) -> None:
    (session.folder / "empty").mkdir()
    assert "empty: not a BIDS folder" in session.refused(cohort=session.folder / "empty")


def test_a_cohort_without_t2w(session: Session) -> None:
    heads = session.copy_heads()
    for path in heads.glob("sub-*/anat/*_T2w.nii.gz"):
        path.unlink()
    assert "none of 6 subjects has a T2w scan" in session.refused(cohort=heads)


def test_subjects_without_ct_are_all_named(session: Session) -> None:
    heads = session.copy_heads()
    for name in ("sub-02", "sub-05"):
        shutil.rmtree(heads / name / "ct")
    message = session.refused(cohort=heads)
    assert "2 subjects cannot be used (to leave them out: `cohort: {exclude: [sub-02, sub-05]}`)" in message
    assert "sub-02: no ct" in message
    assert "sub-05: no ct" in message


def test_too_few_patients_with_t2w(session: Session) -> None:
    heads = session.copy_heads()
    for path in sorted(heads.glob("sub-*/anat/*_T2w.nii.gz"))[2:]:
        path.unlink()
    message = session.refused(cohort=heads)
    assert "the cohort has 6 patients, 2 with T2w: at least 3 with T2w are needed" in message


def test_broken_scans_are_all_named_at_once(session: Session) -> None:
    heads = session.copy_heads()
    rng = np.random.default_rng(0)

    def spoil(subject: str, place: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
        (path,) = heads.glob(f"{subject}/*/*_{place}.nii.gz")
        scan = nib.Nifti1Image.from_filename(path)
        new = change(np.asarray(scan.dataobj, dtype=np.float32))
        nib.Nifti1Image(new, scan.affine).to_filename(path)

    def with_nan(voxels: np.ndarray) -> np.ndarray:
        voxels[3, 4, 5] = np.nan
        return voxels

    spoil("sub-01", "T1w", with_nan)
    spoil("sub-02", "T2w", lambda voxels: np.stack([voxels, voxels], axis=-1))
    spoil("sub-03", "T1w", np.zeros_like)
    spoil("sub-04", "ct", lambda voxels: rng.uniform(0, 1, voxels.shape).astype(np.float32))
    (heads / "sub-05" / "anat" / "sub-05_T1w.nii.gz").write_text("not an image")
    message = session.refused(cohort=heads)
    assert "5 of 6 subjects" in message
    assert "`cohort: {exclude: [sub-01, sub-02, sub-03, sub-04, sub-05]}`" in message
    for subject, cause in {
        "sub-01": "voxels are NaN or infinite",
        "sub-02": "4D",
        "sub-03": "empty: every voxel is 0",
        "sub-04": "no CT in Hounsfield units",
        "sub-05": "not a NIfTI file (it is a text that begins with 'not an image')",
    }.items():
        (line,) = [line for line in message.splitlines() if line.startswith(f"  - {subject}")]
        assert cause.lower() in line.lower()


def test_two_subjects_with_one_name(session: Session) -> None:
    scans = {kind: next(session.heads.glob(f"sub-01/*/*_{kind}.nii.gz")) for kind in ("T1w", "T2w", "ct")}
    row = f"sub-01,{scans['T1w']},{scans['T2w']},{scans['ct']}"
    table = session.folder / "cohort.csv"
    table.write_text(f"subject,t1w,t2w,ct\n{row}\n{row}\n")
    message = session.refused(cohort=table)
    assert "sub-01" in message
    assert str(table) in message


def test_a_subject_that_is_left_out_but_was_never_there(session: Session) -> None:
    message = session.refused("--set", "cohort.exclude=[sub-7]")
    assert "'sub-7' is no subject of this cohort; did you mean 'sub-0" in message


# The other command


def test_pretraining_refuses_in_the_same_way(session: Session) -> None:
    result = CliRunner().invoke(
        pretrain.app,
        ["--cohort", str(session.heads), "--output", str(session.output), "--set", "training.max_epoch=1"],
    )
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "did you mean max_epochs?" in result.stderr
    session.check_nothing_spent()
