"""`cluster/kubernetes.yaml` has the structure that KubeRay describes; it is tried on no Kubernetes."""

import re
from typing import Any

import pytest
import yaml

from tests.cluster.files import CLUSTER, ROOT

JOB = {
    *("activeDeadlineSeconds", "backoffLimit", "rayClusterSpec", "submitterPodTemplate", "metadata"),
    *("clusterSelector", "submitterConfig", "managedBy", "deletionStrategy", "entrypoint", "runtimeEnvYAML"),
    *("jobId", "submissionMode", "entrypointResources", "entrypointNumCpus", "entrypointNumGpus"),
    *("ttlSecondsAfterFinished", "shutdownAfterJobFinishes", "suspend"),
}
CLUSTER_SPEC = {
    *("authOptions", "suspend", "managedBy", "autoscalerOptions", "headServiceAnnotations"),
    *("enableInTreeAutoscaling", "gcsFaultToleranceOptions", "headGroupSpec", "rayVersion"),
    "workerGroupSpecs",
}
HEAD = {"template", "headService", "enableIngress", "resources", "labels", "rayStartParams", "serviceType"}
WORKERS = {
    *("suspend", "groupName", "replicas", "minReplicas", "maxReplicas", "idleTimeoutSeconds", "resources"),
    *("labels", "rayStartParams", "template", "scaleStrategy", "numOfHosts"),
}
"""Fields of KubeRay's `ray.io/v1`, from its API reference
(https://ray-project.github.io/kuberay/reference/api/)."""


@pytest.fixture
def documents() -> list[dict[str, Any]]:
    """Claim and job."""
    return list(yaml.safe_load_all((CLUSTER / "kubernetes.yaml").read_text(encoding="utf-8")))


def test_only_fields_that_kuberay_knows(documents: list[dict[str, Any]]) -> None:
    _, job = documents
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    cluster = job["spec"]["rayClusterSpec"]
    [workers] = cluster["workerGroupSpecs"]
    for found, known in (
        (job["spec"], JOB),
        (cluster, CLUSTER_SPEC),
        (cluster["headGroupSpec"], HEAD),
        (workers, WORKERS),
    ):
        assert set(found) <= known
    assert workers["minReplicas"] <= workers["replicas"] <= workers["maxReplicas"]
    assert all(isinstance(value, str) for value in cluster["headGroupSpec"]["rayStartParams"].values())


def test_pods_have_one_image_a_token_and_the_ray_that_is_pinned(documents: list[dict[str, Any]]) -> None:
    claim, job = documents
    cluster = job["spec"]["rayClusterSpec"]
    assert cluster["authOptions"] == {"mode": "token"}
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert f"ray=={cluster['rayVersion']}" in pins
    image = re.search(
        r"FROM rayproject/ray:(\S+)-py", (CLUSTER / "kubernetes.yaml").read_text(encoding="utf-8")
    )
    assert image
    assert image[1] == cluster["rayVersion"]
    head, workers = cluster["headGroupSpec"], cluster["workerGroupSpecs"][0]
    pods = [group["template"]["spec"] for group in (head, workers)]
    assert len({pod["containers"][0]["image"] for pod in pods}) == 1
    assert pods[0]["volumes"][0]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert pods[1]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == 1
