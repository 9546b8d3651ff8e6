"""Trials run on a cluster: that of this machine, or another that answers."""

import errno
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import ray
import typer
from ray._private.utils import GcsClient
from ray.cluster_utils import Cluster

import ablation
from ablation.commands.terminal import command
from ablation.plan.resources import TrialResources
from ablation.space.resources import Resources
from ablation.sweep.cluster import SHORT_FOLDERS, connect, device_of, request_of
from t1t2core.errors import InputError
from t1t2core.training.compute import Device, device_here
from tests.faults.cluster import start_cluster
from tests.faults.commands import Process


def test_this_machine_gives_what_it_has_and_is_left_when_something_goes_wrong() -> None:
    def use_it() -> None:
        with connect("local"):
            assert request_of(Resources()) == TrialResources(
                cpus=1.0, gpus=float("GPU" in ray.cluster_resources())
            )
            assert request_of(Resources(cpus=0.5, gpus=0)) == TrialResources(cpus=0.5, gpus=0.0)
            cores = ray.cluster_resources()["CPU"]
            refusal = rf"resources\.cpus: a trial asks for {cores + 1:g}, the cluster has {cores:g}"
            with pytest.raises(InputError, match=refusal):
                request_of(Resources(cpus=cores + 1))
            with pytest.raises(InputError, match=r"resources\.gpus: a trial asks for 64"):
                request_of(Resources(gpus=64))
            raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        use_it()
    assert not ray.is_initialized()


def test_a_head_without_a_gpu_goes_by_the_gpus_of_the_workers() -> None:
    """New ones, then an old one among them."""
    there = start_cluster(num_cpus=0)
    try:
        for name, bfloat16 in (("A10G", True), ("T4", False)):
            there.add_node(num_cpus=1, num_gpus=1, resources={f"accelerator_type:{name}": 1})
            with connect(there.address):
                assert device_of(request_of(Resources())) == Device(kind="cuda", bfloat16=bfloat16)
                assert device_of(request_of(Resources(gpus=0))) == device_here(kind="cpu")
    finally:
        there.shutdown()


def folder_of_ray() -> Path:
    """Where the Ray that is running puts its sockets and logs."""
    return Path(ray._private.worker._global_node.temp_dir)


@pytest.fixture
def short_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        yield Path(folder)


@pytest.fixture
def long_folder(tmp_path: Path) -> Path:
    """As schedulers of clusters name the folders of their jobs."""
    folder = tmp_path / "scratch" / "job.1234567.0" / ("user_with_a_long_name" * 3)
    folder.mkdir(parents=True)
    return folder


def test_a_long_folder_for_temporary_files_holds_no_sockets(
    long_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(long_folder))
    monkeypatch.setattr(tempfile, "tempdir", str(long_folder))
    with connect("local"):
        assert ray.get(ray.remote(lambda: os.getpid()).remote()) != os.getpid()
        folder = folder_of_ray()
        assert str(folder.parent) in SHORT_FOLDERS
    assert not folder.exists()
    assert not list(long_folder.iterdir())


def test_somebody_elses_ray_in_the_folder_and_an_interrupt_at_the_end_do_no_harm(
    short_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The interrupt waits until the cluster is left."""
    (short_folder / "ray").touch()  # where Ray would put its sockets: a folder that is not ours is no use
    monkeypatch.setenv("TMPDIR", str(short_folder))
    monkeypatch.setattr(tempfile, "tempdir", str(short_folder))
    shutdown = ray.shutdown

    def interrupted() -> None:
        signal.raise_signal(signal.SIGINT)
        shutdown()

    def use_it() -> None:
        with connect("local"):
            assert folder_of_ray().parent == short_folder
            monkeypatch.setattr(ray, "shutdown", interrupted)

    with pytest.raises(KeyboardInterrupt):
        use_it()
    assert not ray.is_initialized()


def test_a_folder_that_the_user_names_for_ray_is_taken_or_refused(
    short_folder: Path, long_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(short_folder))
    with connect("local"):
        assert folder_of_ray().parent == short_folder
    for folder, cause in ((long_folder, "too long"), (short_folder / "none", "No such file")):
        monkeypatch.setenv("RAY_TMPDIR", str(folder))
        refusal = rf"{folder}: .*{cause}.*; set RAY_TMPDIR to a folder of yours"
        with pytest.raises(InputError, match=refusal), connect("local"):
            pass


def test_a_ray_that_does_not_start_is_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(ray, "init", full)
    with pytest.raises(InputError, match=r"Ray cannot be started here: .*No space left"), connect("local"):
        pass


def test_an_address_where_no_cluster_answers_is_refused_before_long() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    program = f"from ablation.sweep.cluster import connect\nwith connect('{address}'): pass"
    # In a process of its own: Ray may wait for minutes, and cannot be stopped from within.
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, encoding="utf-8", timeout=60)
    assert f"InputError: no Ray cluster answers at {address}" in ended.stderr


ROOT = Path(ablation.__file__).parents[1]
START = """
import sys
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
print(cluster.address, flush=True)
sys.stdin.read()
cluster.shutdown()
"""
HIDE = """
import sys
class Hidden:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in ("ablation", "t1t2core"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Hidden)
"""
"""Put where Python starts: this project is not installed."""


@pytest.fixture(scope="module")
def guarded() -> Iterator[str]:
    """Address of a cluster that wants the token `right`."""
    environment = {**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "right"}
    with subprocess.Popen(
        [sys.executable, "-c", START],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.communicate("")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A head without token, to which machines can be added."""
    there = start_cluster(num_cpus=1)
    yield there
    there.shutdown()


def join_and_leave(address: str, folder: Path) -> None:
    """What a command does in a folder that joins the cluster and does nothing there."""
    os.chdir(folder)

    @command
    def run() -> int:
        with connect(address):
            return 0

    try:
        run()
    except typer.Exit as end:
        sys.exit(end.exit_code)


def variables(folder: Path, **environment: str) -> dict[str, str]:
    """Those of such a command."""
    # Ray sets it in a process that has started a cluster of its own.
    without_token = {name: value for name, value in os.environ.items() if name != "RAY_AUTH_MODE"}
    return {**without_token, "HOME": str(folder), **environment}


def join(address: str, folder: Path) -> str:
    """What such a command says on standard error."""
    process = Process(partial(join_and_leave, address, folder), folder, variables(folder), alone=True)
    status = process.wait()
    assert status == (2 if process.said else 0), process.said
    return process.said


def test_threads_of_the_workers_of_a_cluster_wait_without_spinning(cluster: Cluster) -> None:
    """Of a cluster that was started elsewhere: its workers do not have this command's environment."""
    with connect(cluster.address):
        tell = ray.remote(lambda: (os.environ.get("OMP_WAIT_POLICY"), os.getpid()))
        told = [ray.get(tell.remote()) for _ in range(4)]
    assert [policy for policy, _ in told] == ["PASSIVE"] * 4
    assert len({process for _, process in told}) < 4, "workers are used again"


def join_with(address: str, folder: Path, **environment: str) -> str:
    """The same with a token, or without one, in a new Python: Ray asks for these variables once."""
    program = (
        "import sys\nfrom ablation.sweep.cluster import connect\n"
        "from ablation.commands.terminal import command\n"
        "@command\ndef run():\n with connect(sys.argv[1]): return 0\n"
        "try: run()\nexcept Exception as end: sys.exit(end.exit_code)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, address],
        cwd=folder,
        env=variables(folder, **environment),
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert ended.returncode == (2 if ended.stderr else 0), ended
    return ended.stderr


def test_the_token_is_asked_for_when_it_is_missing_or_wrong(guarded: str, tmp_path: Path) -> None:
    what_to_do = (
        "put the token that the cluster was started with into ~/.ray/auth_token, and set RAY_AUTH_MODE=token"
    )
    refused = f"the Ray cluster at {guarded} refuses our token, or wants one: {what_to_do}\n"
    missing = f"no token for the Ray cluster at {guarded}: {what_to_do}\n"
    wanted: list[tuple[dict[str, str], str]] = [
        ({}, refused),
        ({"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "wrong"}, refused),
        ({"RAY_AUTH_MODE": "token"}, missing),
        ({"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": "/nowhere"}, missing),
        ({"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "right"}, ""),
    ]
    for environment, said in wanted:
        assert join_with(guarded, tmp_path, **environment) == said


def test_another_ray_or_python_is_named_beside_ours(cluster: Cluster, tmp_path: Path) -> None:
    client = GcsClient(address=cluster.address)
    key, space = b"CLUSTER_METADATA", b"cluster"
    metadata = json.loads(client.internal_kv_get(key, namespace=space))
    ours = f"Ray {metadata['ray_version']} and Python {metadata['python_version']}"

    def tell(told: dict[str, str]) -> None:
        client.internal_kv_put(key, json.dumps(told).encode(), overwrite=True, namespace=space)

    for name, version in (("ray_version", "2.51.1"), ("python_version", "3.12.4")):
        other = {**metadata, name: version}
        tell(other)
        theirs = f"Ray {other['ray_version']} and Python {other['python_version']}"
        said = join(cluster.address, tmp_path)
        assert said == (
            f"the Ray cluster at {cluster.address} runs {theirs}, "
            f"this machine {ours}: both must be the same\n"
        )
    tell(metadata)


def test_machines_without_this_project_or_with_another_version_are_named(
    cluster: Cluster, tmp_path: Path
) -> None:
    assert join(cluster.address, tmp_path) == "", "all is as it should be"
    without, changed = tmp_path / "without", tmp_path / "changed"
    without.mkdir()
    (without / "sitecustomize.py").write_text(HIDE, encoding="utf-8")
    for package in ("ablation", "t1t2core"):
        shutil.copytree(ROOT / package, changed / package, ignore=shutil.ignore_patterns("__pycache__"))
    with (changed / "t1t2core/seeds.py").open("a", encoding="utf-8") as module:
        module.write("# changed\n")
    for path in (without, changed):
        cluster.add_node(num_cpus=1, env_vars={"PYTHONPATH": str(path)})
    cluster.wait_for_nodes()
    headline, *findings = join(cluster.address, tmp_path).splitlines()
    assert headline.startswith("machines of the Ray cluster that cannot run the trials")
    assert len(findings) == 2
    assert sum("this project is not installed there" in finding for finding in findings) == 1
    [other] = [finding for finding in findings if "has this project in version" in finding]
    versions = re.findall(r"0\.1\.0 \(code (\w{8})\)", other)
    assert len(set(versions)) == 2, other
