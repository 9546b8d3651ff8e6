"""Kueue would take `cluster/kueue.yaml`: each rule of its webhooks is a test.

The rules are those of `jobs/rayjob/rayjob_webhook.go`, `jobs/raycluster/raycluster_webhook.go` and
`jobframework/validation.go` under `pkg/controller` in github.com/kubernetes-sigs/kueue; its page for users
says the same (https://kueue.sigs.k8s.io/docs/tasks/run/rayjobs/). Nothing here is run on Kubernetes.
"""

import re
from typing import Any

import pytest

from tests.cluster.files import CLUSTER, commands_of, manifests

QUEUE = "kueue.x-k8s.io/queue-name"
SECONDS = "kueue.x-k8s.io/max-exec-time-seconds"
MOST_POD_SETS = 8
OF_HEAD_AND_SUBMITTER = 2
RESERVED = {"head", "submitter"}


@pytest.fixture
def job() -> dict[str, Any]:
    return manifests("kueue.yaml")["RayJob"]


@pytest.fixture
def cluster(job: dict[str, Any]) -> dict[str, Any]:
    return job["spec"]["rayClusterSpec"]


def test_the_queue_is_named_by_a_label(job: dict[str, Any]) -> None:
    """`ValidateQueueName`: a DNS-1123 subdomain. Jobs without it are not Kueue's, and would start at once."""
    queue = job["metadata"]["labels"][QUEUE]
    part = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
    assert re.fullmatch(rf"{part}(\.{part})*", queue)
    assert len(queue) <= 253


def test_it_brings_its_own_cluster(job: dict[str, Any]) -> None:
    """`a kueue managed job should not use an existing cluster`, and `rayClusterSpec is required`."""
    assert "clusterSelector" not in job["spec"]
    assert job["spec"]["rayClusterSpec"]


def test_the_cluster_goes_after_the_job(job: dict[str, Any]) -> None:
    """`a kueue managed job should delete the cluster after finishing`."""
    assert job["spec"]["shutdownAfterJobFinishes"] is True


def test_nothing_scales(cluster: dict[str, Any]) -> None:
    """`a kueue managed job can use autoscaling only when the ElasticJobsViaWorkloadSlices feature gate is on
    and the job is an elastic job`. What the quota was given for is there."""
    assert not cluster.get("enableInTreeAutoscaling", False)
    assert "autoscalerOptions" not in cluster
    for workers in cluster["workerGroupSpecs"]:
        assert workers["minReplicas"] == workers["replicas"] == workers["maxReplicas"]


def test_there_are_no_more_groups_than_a_workload_has_pod_sets(cluster: dict[str, Any]) -> None:
    """`Should limit the worker count to 8 - 1 (max podSets num - cluster head)`; the submitter is one more
    (https://github.com/kubernetes-sigs/kueue/pull/3729)."""
    assert len(cluster["workerGroupSpecs"]) + OF_HEAD_AND_SUBMITTER <= MOST_POD_SETS


def test_no_group_has_the_heads_name(cluster: dict[str, Any]) -> None:
    """`"head" is reserved for the head group`; the submitter's pod set has a name of its own, too."""
    names = [workers["groupName"] for workers in cluster["workerGroupSpecs"]]
    assert not RESERVED & set(names)
    assert len(names) == len(set(names))


def test_a_longest_time_is_a_number(job: dict[str, Any]) -> None:
    """`validateCreateForMaxExecTime`: `should be greater than 0`."""
    assert int(job["metadata"]["labels"].get(SECONDS, "1")) > 0


def test_every_pod_says_what_it_needs(cluster: dict[str, Any]) -> None:
    """The quota is counted in requests (the page for users, `Configure the resource needs`)."""
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        for container in group["template"]["spec"]["containers"]:
            assert {"cpu", "memory"} <= set(container["resources"]["requests"])


def test_it_is_not_started_by_ourselves(job: dict[str, Any]) -> None:
    """`ApplyDefaultForSuspend`: Kueue suspends a new job and starts it in its turn."""
    assert "suspend" not in job["spec"]


def test_the_claim_outlives_the_job() -> None:
    """It is a part of its own in the file, and `down` deletes the job, which owns only what it makes."""
    kinds = manifests("kueue.yaml")
    parts = {kind: document["metadata"]["labels"]["part"] for kind, document in kinds.items()}
    assert parts == {"PersistentVolumeClaim": "claim", "RayJob": "job", "Pod": "files"}
    commands = commands_of(CLUSTER / "kueue.yaml")
    assert commands["down"] == "kubectl delete rayjob t1t2"
    assert not any("delete pvc" in command or "delete -f" in command for command in commands.values())
    assert "part in (claim, job)" in commands["submit"]


def test_the_pod_for_files_is_in_no_queue_and_has_the_claim() -> None:
    kinds = manifests("kueue.yaml")
    pod = kinds["Pod"]
    assert QUEUE not in pod["metadata"]["labels"]
    claim = kinds["PersistentVolumeClaim"]["metadata"]["name"]
    assert [volume["persistentVolumeClaim"]["claimName"] for volume in pod["spec"]["volumes"]] == [claim]
    assert f"pod/{pod['metadata']['name']}" in commands_of(CLUSTER / "kueue.yaml")["fetch"]
