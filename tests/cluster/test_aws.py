"""`cluster/gpu.yaml` up to the launch of its machines, on an AWS that is pretended on loopback."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from ray.autoscaler._private.commands import _bootstrap_config
from ray.autoscaler._private.providers import _get_node_provider
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.autoscaler.tags import NODE_KIND_WORKER, TAG_RAY_NODE_KIND

from tests.cluster.files import CLUSTER, commands_of, copy_tree
from tests.faults.server import serving

FILE = CLUSTER / "gpu.yaml"
STAND_IN = '#!/bin/sh\necho "$@" >> "$STAND_IN_CALLS"\nexit 255\n'
"""For ssh and rsync: the addresses of pretended machines belong to others, and are not spoken to."""


@pytest.fixture
def config() -> dict[str, Any]:
    """The file."""
    read: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return read


@pytest.fixture
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A pretended AWS, made ready as the file says, and a folder with programs that go first."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("ssh", "rsync"):
        (programs / name).write_text(STAND_IN, encoding="utf-8")
        (programs / name).chmod(0o755)
    settings = {
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nobody",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "MOTO_IAM_LOAD_MANAGED_POLICIES": "true",
        "HOME": str(tmp_path / "home"),
        "PATH": os.pathsep.join([str(programs), str(Path(sys.executable).parent), os.environ["PATH"]]),
        "STAND_IN_CALLS": str(programs / "calls"),
        "AUTOSCALER_NODE_START_WAIT_S": "1",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "home").mkdir()

    def arguments(port: int) -> list[str]:
        return [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]

    with serving(arguments, tmp_path / "aws.log") as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.port}")
        for command in _commands_beforehand():
            _give(*command)
        yield programs


def test_the_file_is_what_ray_takes(config: dict[str, Any]) -> None:
    validate_config(prepare_config(config))


def test_region_and_bucket_stand_in_one_place(config: dict[str, Any]) -> None:
    lines = [line for line in FILE.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    assert sum(config["provider"]["region"] in line for line in lines) == 1
    assert sum("my-t1t2-bucket" in line for line in lines) == 1


def test_nothing_but_ssh_is_open_and_nothing_is_without_token(config: dict[str, Any]) -> None:
    commands = "\n".join(config["head_start_ray_commands"])
    assert "--dashboard-host=127.0.0.1" in commands
    assert "mlflow server --host 127.0.0.1" in commands
    assert "IpPermissions" not in config["provider"]["security_group"]
    assert config["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"
    assert any("RAY_AUTH_MODE=token" in command for command in config["setup_commands"])


@pytest.mark.exhaustive
def test_head_and_spot_workers_are_launched_as_the_file_says(
    aws: Path, config: dict[str, Any], tmp_path: Path
) -> None:
    tree = tmp_path / "tree"
    copy_tree(tree)
    up = commands_of(FILE)["up"] + " --yes --no-config-cache"
    ended = subprocess.run(
        up, shell=True, cwd=tree, capture_output=True, encoding="utf-8", timeout=900, check=False
    )
    said = ended.stdout + ended.stderr
    assert "ubuntu@" in (aws / "calls").read_text(encoding="utf-8"), said
    ec2 = boto3.client("ec2", config["provider"]["region"])
    [head] = _instances(ec2)
    there = _add_worker(config)
    assert (there["CPU"], there["GPU"]) == (4, 1), "what trials may ask for before one is there"
    assert there["accelerator_type:A10G"] == 1, "by which precision is chosen"
    [worker] = [found for found in _instances(ec2) if found["InstanceId"] != head["InstanceId"]]

    for instance, kind, machine in ((head, "head", "m6i.2xlarge"), (worker, "worker", "g5.xlarge")):
        assert instance["InstanceType"] == machine
        tags = {tag["Key"]: tag["Value"] for tag in instance["Tags"]}
        assert tags["ray-cluster-name"] == config["cluster_name"]
        assert tags["ray-node-type"] == kind
        assert instance["IamInstanceProfile"]["Arn"].endswith(f"/t1t2-{kind}")
        [group] = ec2.describe_security_groups(
            GroupIds=[group["GroupId"] for group in instance["SecurityGroups"]]
        )["SecurityGroups"]
        assert _open_to_others(group) == [22]
    assert worker["InstanceLifecycle"] == "spot"
    assert "InstanceLifecycle" not in head


def _instances(ec2: Any) -> list[dict[str, Any]]:
    reservations = ec2.describe_instances()["Reservations"]
    return [instance for reservation in reservations for instance in reservation["Instances"]]


def _add_worker(config: dict[str, Any]) -> dict[str, float]:
    """As the autoscaler does, which has no head to run on here. Gives what a worker has."""
    launched = _bootstrap_config(config, no_config_cache=True)
    provider = _get_node_provider(launched["provider"], launched["cluster_name"])
    worker = launched["available_node_types"]["worker"]
    tags = {TAG_RAY_NODE_KIND: NODE_KIND_WORKER}
    provider.create_node_with_resources_and_labels(worker["node_config"], tags, 1, {}, {})
    resources: dict[str, float] = worker["resources"]
    return resources


def _commands_beforehand() -> list[list[str]]:
    """The words of each command of AWS's in the file's last comment."""
    lines = FILE.read_text(encoding="utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("# Once, "))
    script = "\n".join(line.removeprefix("#") for line in lines[start + 1 :])
    tell = 'aws() { printf "%s\\0" "$@" END; }\n'
    said = subprocess.run(
        ["bash", "-euc", tell + script], stdout=subprocess.PIPE, encoding="utf-8", check=True
    ).stdout
    return [command.split("\0") for command in said.split("\0END\0") if command]


def _give(service: str, operation: str, *words: str) -> None:
    """Gives a command to AWS's library, which has the same words in another spelling."""
    if (service, operation) == ("s3", "mb"):
        bucket, _, region = words
        place = {"LocationConstraint": region}
        boto3.client("s3", region).create_bucket(
            Bucket=bucket.removeprefix("s3://"), CreateBucketConfiguration=place
        )
        return
    names = ["".join(part.title() for part in name.strip("-").split("-")) for name in words[::2]]
    arguments = dict(zip(names, words[1::2], strict=True))
    getattr(boto3.client(service, "us-east-1"), operation.replace("-", "_"))(**arguments)


def _open_to_others(group: dict[str, Any]) -> list[int]:
    """Ports of a security group that are open to other machines than its own."""
    others = [rule for rule in group["IpPermissions"] if rule["IpRanges"] or rule["Ipv6Ranges"]]
    within = [rule for rule in group["IpPermissions"] if rule["UserIdGroupPairs"]]
    assert all(pair["GroupId"] == group["GroupId"] for rule in within for pair in rule["UserIdGroupPairs"])
    assert all(rule["FromPort"] == rule["ToPort"] for rule in others), json.dumps(others)
    return [rule["FromPort"] for rule in others]
