"""What comes from outside runs nothing, writes nowhere else, and secrets and patients' files stay private."""

import ast
import pickle
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from ablation.commands import run
from ablation.space.space import read_space
from ablation.store.pretrained import EncoderStore
from ablation.store.storage import Storage
from t1t2core.cohort.manifest import read_manifest
from t1t2core.cohort.names import is_safe_name
from t1t2core.errors import InputError
from t1t2core.network.weights import unpack_weights
from t1t2core.preparation.prepare import load_prepared
from t1t2core.training.checkpoint import CheckpointError, unpack_state
from tests.conftest import Record
from tests.faults.commands import Command
from tests.faults.server import free_port, serving
from tests.fuzz.scans import write_cohort
from tests.fuzz.texts import SMALL_SPACE

ROOT = Path(__file__).parents[1]
SECRET = "wJalrMARKEDsecretKEY"
OUTSIDE = ["../../x", "/tmp/x", "..", ".", "a/b", "a\\b", "C:\\x", "a\0b", "x" * 300, "con", "NUL.txt", "a."]
KEPT_IN_ENVIRONMENT = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "MLFLOW_TRACKING_PASSWORD")
READ_ONLY_IF_SAFE = {
    "torch.load": ("weights_only", True),
    "np.load": ("allow_pickle", False),
    "numpy.load": ("allow_pickle", False),
}
NEVER = {
    *("pickle.load", "pickle.loads", "cloudpickle.load", "cloudpickle.loads", "joblib.load", "marshal.loads"),
    *("pd.read_pickle", "pandas.read_pickle", "shelve.open", "dill.load", "dill.loads", "torch.jit.load"),
    *("yaml.load", "yaml.unsafe_load", "yaml.full_load", "yaml.load_all", "os.system", "os.popen"),
    *("eval", "exec", "__import__"),
    *("mlflow.pytorch.load_model", "mlflow.pyfunc.load_model", "mlflow.sklearn.load_model"),
}


OWN_PICKLES = {("ablation/sweep/failures.py", "cloudpickle.loads")}
"""Ray's account of an error, which Tune has just written into the session folder of this very process."""
OWN_PROGRAMS = {("t1t2core/evaluation/portable.py", "torch.jit.load")}
"""An export, read back by the process that has just written it, to see that it computes the same."""


# What is read runs nothing


class Bomb:
    """Its pickle makes a file when it is read."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


def _calls() -> Iterator[tuple[str, str, ast.Call]]:
    """Every call in the packages: file, dotted name, node."""
    for package in ("ablation", "t1t2core"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call):
                    yield str(path.relative_to(ROOT)), ast.unparse(node.func), node


def test_no_code_of_ours_unpickles_or_runs_what_it_reads() -> None:
    findings = [(file, name) for file, name, _ in _calls() if name in NEVER]
    assert [found for found in findings if found not in OWN_PICKLES | OWN_PROGRAMS] == []


def test_loaders_that_could_unpickle_are_told_not_to() -> None:
    findings = []
    for file, name, node in _calls():
        if name in READ_ONLY_IF_SAFE:
            option, value = READ_ONLY_IF_SAFE[name]
            given = {word.arg: getattr(word.value, "value", None) for word in node.keywords}
            findings += [] if given.get(option) is value else [f"{file}:{node.lineno} {name}"]
        shell = [word for word in node.keywords if word.arg == "shell"]
        findings += [f"{file}:{node.lineno} {name} with a shell"] if shell else []
    assert findings == []


def test_yaml_has_no_tags_that_make_objects(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    space = tmp_path / "space.yaml"
    space.write_text(f"arms: !!python/object/apply:os.mkdir ['{mark}']\n", encoding="utf-8")
    with pytest.raises(InputError, match="not YAML"):
        read_space(space)
    assert not mark.exists()


@pytest.mark.parametrize("dump", ["pickle", "torch"])
def test_a_pickle_in_the_place_of_tensors_is_refused_unread(tmp_path: Path, dump: str) -> None:
    mark, file = tmp_path / "mark", tmp_path / "weights.safetensors"
    if dump == "pickle":
        file.write_bytes(pickle.dumps(Bomb(mark)))
    else:
        torch.save({"weight": Bomb(mark)}, file)
    with pytest.raises(InputError, match="safetensors"):
        unpack_weights(file.read_bytes(), source="weights")
    with pytest.raises(InputError, match="prepared volumes"):
        load_prepared(file)
    with pytest.raises(CheckpointError):
        unpack_state(file.read_bytes())
    (tmp_path / "weights.json").write_text('{"recipe": {"network": {}}}', encoding="utf-8")
    with pytest.raises(InputError):
        EncoderStore(Storage(str(tmp_path / "store"))).adopt(str(file))
    assert not mark.exists()


# Names from outside are names, not paths


@pytest.mark.parametrize("name", OUTSIDE)
def test_no_name_of_a_space_leads_out_of_the_output_folder(tmp_path: Path, name: str) -> None:
    space = tmp_path / "space.yaml"
    quoted = "".join(f"\\x{ord(letter):02x}" for letter in name)
    space.write_text(f'name: "{quoted}"\n{SMALL_SPACE}', encoding="utf-8")
    with pytest.raises(InputError, match="name: found"):
        read_space(space)


@pytest.mark.parametrize("name", ["mlflow.db-wal", "mlflow.db-journal", "store", "Artifacts"])
def test_no_name_of_a_space_takes_the_place_of_the_record(tmp_path: Path, name: str) -> None:
    space = tmp_path / "space.yaml"
    space.write_text(f"name: {name}\n{SMALL_SPACE}", encoding="utf-8")
    with pytest.raises(InputError, match="name: found"):
        read_space(space)


@pytest.mark.parametrize("name", OUTSIDE)
def test_no_name_of_a_subject_is_a_path(tmp_path: Path, name: str) -> None:
    assert not is_safe_name(name)
    scan = tmp_path / "scan.nii"
    scan.touch()
    table = tmp_path / "cohort.csv"
    table.write_text(f"subject,t1w,t2w,ct\n{name},scan.nii,scan.nii,scan.nii\n", encoding="utf-8")
    with pytest.raises(InputError, match="a subject's name has letters"):
        read_manifest(table)


@pytest.mark.parametrize("name", ["../../x", "/etc/passwd", "..", pytest.param("x" * 5000)])
def test_no_digest_of_an_encoder_makes_a_file_elsewhere(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError):
        EncoderStore(Storage(str(tmp_path / "below" / "store"))).adopt(name)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_plan_writes_nothing_beside_its_output_and_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, add_record: Callable[[Path], Record]
) -> None:
    space = tmp_path / "in" / "space.yaml"
    space.parent.mkdir()
    space.write_text(SMALL_SPACE, encoding="utf-8")
    add_record(tmp_path / "out")
    monkeypatch.chdir(space.parent)
    for name in KEPT_IN_ENVIRONMENT:
        monkeypatch.setenv(name, SECRET)
    options = ["--space", "space.yaml", "--output", str(tmp_path / "out"), "--plan"]
    result = CliRunner().invoke(run.app, options)
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]
    assert [path.name for path in space.parent.iterdir()] == ["space.yaml"]
    _assert_secret_is_nowhere(tmp_path / "out", result.output)


# Secrets are in no message, file or record


@pytest.mark.parametrize(
    "address",
    [
        f"s3://AKIAMARKED:{SECRET}@bucket/folder?endpoint_override=127.0.0.1:{{port}}&scheme=http",
        f"s3://AKIAMARKED:{SECRET}@bucket/folder?no_such_option=1",
        pytest.param(f"s4://AKIAMARKED:{SECRET}@bucket"),
    ],
)
def test_the_secret_of_a_bucket_is_in_no_message(tmp_path: Path, address: str) -> None:
    _refused_without_secret(tmp_path, "--storage", address)


@pytest.mark.parametrize(
    "address",
    [
        f"http://someone:{SECRET}@127.0.0.1:{{port}}",
        f"postgresql://someone:{SECRET}@127.0.0.1:{{port}}/mlflow",
        f"s4://someone:{SECRET}@127.0.0.1",
    ],
)
def test_the_password_of_a_tracking_server_is_in_no_message(tmp_path: Path, address: str) -> None:
    _refused_without_secret(tmp_path, "--tracking-uri", address)


def test_the_secret_of_another_storage_of_encoders_is_in_no_message(tmp_path: Path) -> None:
    address = (
        f"s3://AKIAMARKED:{SECRET}@bucket/e.safetensors?endpoint_override=127.0.0.1:{{port}}&scheme=http"
    )
    _refused_without_secret(tmp_path, "--encoder", address)


@pytest.mark.slow
@pytest.mark.exhaustive  # a plan is looked at above
def test_a_whole_run_leaves_neither_secrets_nor_names_of_files(tmp_path: Path) -> None:
    space = tmp_path / "space.yaml"
    space.write_text(SMALL_SPACE + "resources: {cpus: 1}\n", encoding="utf-8")
    (tmp_path / "private-smith").mkdir()
    cohort = write_cohort(tmp_path / "private-smith", (), patients=5)
    output = tmp_path / "out"
    with _tracking_server(tmp_path / "server") as port:
        uri = f"http://someone:{SECRET}@127.0.0.1:{port}"
        overrides = ["--set", "preparation.registration=none", "--preset", "demo"]
        arguments = ["--space", str(space), "--output", str(output), "--cohort", str(cohort), *overrides]
        secrets = dict.fromkeys(KEPT_IN_ENVIRONMENT, SECRET)
        command = Command([*arguments, "--tracking-uri", uri], tmp_path, secrets)
        assert command.wait() in (0, 1, 2), command.said
    assert "Traceback" not in command.said
    for folder in (output, tmp_path / "server"):
        _assert_secret_is_nowhere(folder, command.printed + command.said)
    scans = [b"t1w.nii", b"t2w.nii", b"ct.nii"]
    written = [*_files(output), *_files(tmp_path / "server")]
    named = [path for path in written if any(scan in path.read_bytes() for scan in scans)]
    assert named == []


def _refused_without_secret(folder: Path, option: str, address: str) -> None:
    space = folder / "space.yaml"
    space.write_text(SMALL_SPACE, encoding="utf-8")
    output = folder / "out"
    address = address.format(port=free_port())
    result = CliRunner().invoke(
        run.app, ["--space", str(space), "--output", str(output), "--plan", option, address]
    )
    assert result.exit_code == 2, (result.output, result.exception)
    assert "Traceback" not in result.stderr
    _assert_secret_is_nowhere(output, result.output + result.stderr)


def _assert_secret_is_nowhere(folder: Path, printed: str) -> None:
    assert SECRET not in printed, printed
    found = [path for path in _files(folder) if SECRET.encode() in path.read_bytes()]
    assert found == []


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()] if folder.exists() else []


@contextmanager
def _tracking_server(folder: Path) -> Iterator[int]:
    """A real MLflow server that keeps its files in `folder`; it asks for no password."""
    folder.mkdir()

    def arguments(port: int) -> list[str]:
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
        command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{folder / 'server.db'}"]
        return [*command, "--artifacts-destination", str(folder / "artifacts")]

    with serving(arguments, folder / "log.txt") as server:
        yield server.port
