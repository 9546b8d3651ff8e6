"""What our Kubernetes files promise beside KubeRay's and Kueue's rules; they are tried on no Kubernetes."""

import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.files import CLUSTER, ROOT, commands_of, manifests

FILES = ("kubernetes.yaml", "kueue.yaml")
CLOSED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


@pytest.fixture(params=FILES)
def documents(request: pytest.FixtureRequest) -> dict[str, dict[str, Any]]:
    return manifests(request.param)


def pods_of(documents: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Those of the head and the workers, and the one for files where there is one."""
    cluster = documents["RayJob"]["spec"]["rayClusterSpec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    pods = [group["template"]["spec"] for group in groups]
    return pods + ([documents["Pod"]["spec"]] if "Pod" in documents else [])


def test_pods_have_one_image_and_the_ray_that_is_pinned(documents: dict[str, dict[str, Any]]) -> None:
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert f"ray=={documents['RayJob']['spec']['rayClusterSpec']['rayVersion']}" in pins
    images = {container["image"] for pod in pods_of(documents) for container in pod["containers"]}
    [image] = images
    text = (CLUSTER / "kubernetes.yaml").read_text(encoding="utf-8")
    assert f"-t {image} . && docker push {image}" in text


def test_workers_have_gpus(documents: dict[str, dict[str, Any]]) -> None:
    _, workers, *_ = pods_of(documents)
    assert workers["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == 1


def test_pods_run_as_the_images_user_and_write_where_they_may(documents: dict[str, dict[str, Any]]) -> None:
    """The claim belongs to the user's group, and the root file system can be written by none."""
    user = re.search(r"^USER (\d+):(\d+)$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    assert user
    for pod in pods_of(documents):
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert (pod["securityContext"]["runAsUser"], pod["securityContext"]["fsGroup"]) == (
            int(user[1]),
            int(user[2]),
        )
        assert [container["securityContext"] for container in pod["containers"]] == [CLOSED] * len(
            pod["containers"]
        )
    head, workers, *_ = pods_of(documents)
    assert "/tmp" in {mount["mountPath"] for mount in head["containers"][0]["volumeMounts"]}
    assert "/tmp" in {mount["mountPath"] for mount in workers["containers"][0]["volumeMounts"]}


def test_record_and_results_are_on_the_claim(documents: dict[str, dict[str, Any]]) -> None:
    """So they outlive the head; what is mounted is what the command writes to."""
    entrypoint = documents["RayJob"]["spec"]["entrypoint"].split()
    output = entrypoint[entrypoint.index("--output") + 1]
    head = pods_of(documents)[0]
    names = {mount["mountPath"]: mount["name"] for mount in head["containers"][0]["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in head["volumes"]}
    claim = documents["PersistentVolumeClaim"]["metadata"]["name"]
    assert volumes[names[output]]["persistentVolumeClaim"]["claimName"] == claim


@pytest.mark.parametrize("name", FILES)
def test_no_command_deletes_the_claim(name: str) -> None:
    """`kubectl delete -f` of a file takes everything that is in it."""
    for command in commands_of(CLUSTER / name).values():
        assert "delete -f" not in command
        assert "pvc" not in command


def test_what_is_taken_away_has_time_to_end(documents: dict[str, dict[str, Any]]) -> None:
    """The driver is the shell's successor, gets SIGTERM itself, and its pod waits for it."""
    assert documents["RayJob"]["spec"]["entrypoint"].startswith("exec python -m ablation.run ")
    head = pods_of(documents)[0]
    assert head["terminationGracePeriodSeconds"] >= 60
    assert head["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][:2] == ["sh", "-c"]


@pytest.mark.skipif(not shutil.which("pkill"), reason="no pkill, which the image has")
def test_the_hook_stops_the_driver_and_waits_until_it_has_ended(tmp_path: Path) -> None:
    """A driver that takes two seconds to end, started as Ray starts it: by a shell, with the file's words."""
    job = manifests("kueue.yaml")["RayJob"]
    [container] = job["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["containers"]
    hook = container["lifecycle"]["preStop"]["exec"]["command"]
    (tmp_path / "ablation").mkdir()
    (tmp_path / "ablation/__init__.py").touch()
    (tmp_path / "ablation/run.py").write_text(
        "import pathlib, signal, sys, time\n"
        "def end(*_):\n"
        "    time.sleep(2)\n"
        "    pathlib.Path('ended').touch()\n"
        "    sys.exit(130)\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "pathlib.Path('started').touch()\n"
        "time.sleep(60)\n",
        encoding="utf-8",
    )
    mark = f"unlike-any-other-{tmp_path.name}"
    # No driver of another test may be met: the pattern is the file's, made longer by what only this one has.
    hook = [*hook[:2], hook[2].replace("^python -m ablation", f"^python -m ablation.run {mark}")]
    driver = subprocess.Popen(f"exec python -m ablation.run {mark}", shell=True, cwd=tmp_path)
    try:
        until = time.monotonic() + 30
        while not (tmp_path / "started").exists() and time.monotonic() < until:
            time.sleep(0.05)
        subprocess.run(hook, check=True, timeout=30)
        assert (tmp_path / "ended").exists()
        assert driver.wait(timeout=5) == 130
    finally:
        driver.kill()
