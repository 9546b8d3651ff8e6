"""KubeRay would take our RayJobs: each rule of its validation is a test.

The rules are those of `ray-operator/controllers/ray/utils/validation.go` in github.com/ray-project/kuberay
(`ValidateRayJobMetadata`, `ValidateRayJobSpec`, `ValidateRayClusterSpec`), which its webhooks and its
operator ask; a docstring quotes the message of its rule. Fields are those of its API reference
(https://ray-project.github.io/kuberay/reference/api/). Nothing here is run on Kubernetes.
"""

import re
from typing import Any

import pytest
import yaml

from tests.cluster.files import manifests

Job = dict[str, Any]

FIELDS_OF_JOB = {
    *("activeDeadlineSeconds", "backoffLimit", "rayClusterSpec", "submitterPodTemplate", "metadata"),
    *("clusterSelector", "submitterConfig", "managedBy", "deletionStrategy", "entrypoint", "runtimeEnvYAML"),
    *("jobId", "submissionMode", "entrypointResources", "entrypointNumCpus", "entrypointNumGpus"),
    *("ttlSecondsAfterFinished", "shutdownAfterJobFinishes", "suspend"),
}
FIELDS_OF_CLUSTER = {
    *("authOptions", "suspend", "managedBy", "autoscalerOptions", "headServiceAnnotations"),
    *("enableInTreeAutoscaling", "gcsFaultToleranceOptions", "headGroupSpec", "rayVersion"),
    "workerGroupSpecs",
}
FIELDS_OF_HEAD = {
    *("template", "headService", "enableIngress", "resources", "labels", "rayStartParams", "serviceType"),
}
FIELDS_OF_WORKERS = {
    *("suspend", "groupName", "replicas", "minReplicas", "maxReplicas", "idleTimeoutSeconds", "resources"),
    *("labels", "rayStartParams", "template", "scaleStrategy", "numOfHosts"),
}
MOST_CHARACTERS_OF_A_NAME = 47
"""`MaxRayJobNameLength`: 53 of a cluster's name, less 6 that are appended to a job's."""
LEAST_RAY_WITH_TOKENS = (2, 52, 0)
RESOURCE_PARAMETERS = {"num-cpus", "num-gpus", "memory", "resources"}


@pytest.fixture(params=["kubernetes.yaml", "kueue.yaml"])
def job(request: pytest.FixtureRequest) -> Job:
    return manifests(request.param)["RayJob"]


def cluster_of(job: Job) -> dict[str, Any]:
    return job["spec"]["rayClusterSpec"]


def groups_of(job: Job) -> list[dict[str, Any]]:
    """The head's and the workers'."""
    return [cluster_of(job)["headGroupSpec"], *cluster_of(job)["workerGroupSpecs"]]


def environment_of_head(job: Job) -> dict[str, str]:
    container = cluster_of(job)["headGroupSpec"]["template"]["spec"]["containers"][0]
    return {variable["name"]: variable.get("value", "") for variable in container.get("env", [])}


def test_only_fields_that_it_knows(job: Job) -> None:
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    assert set(job["spec"]) <= FIELDS_OF_JOB
    assert set(cluster_of(job)) <= FIELDS_OF_CLUSTER
    assert set(cluster_of(job)["headGroupSpec"]) <= FIELDS_OF_HEAD
    for workers in cluster_of(job)["workerGroupSpecs"]:
        assert set(workers) <= FIELDS_OF_WORKERS


def test_the_name_is_a_label_of_dns_and_short(job: Job) -> None:
    """`RayJob name should be no more than %d characters`, and `should be a valid DNS1035 label`."""
    name = job["metadata"]["name"]
    assert len(name) <= MOST_CHARACTERS_OF_A_NAME
    assert re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", name)


def test_what_is_suspended_shuts_down_after_the_job(job: Job) -> None:
    """`a RayJob with shutdownAfterJobFinishes set to false is not allowed to be suspended`, as Kueue does."""
    is_in_queue = "kueue.x-k8s.io/queue-name" in job["metadata"].get("labels", {})
    suspends = is_in_queue or job["spec"].get("suspend", False)
    assert not suspends or job["spec"]["shutdownAfterJobFinishes"]


def test_it_lives_on_after_its_end_only_where_it_shuts_down(job: Job) -> None:
    """`TTLSecondsAfterFinished must be a non-negative integer`, and
    `a RayJob with shutdownAfterJobFinishes set to false cannot have TTLSecondsAfterFinished`."""
    seconds = job["spec"].get("ttlSecondsAfterFinished", 0)
    assert seconds >= 0
    assert not seconds or job["spec"]["shutdownAfterJobFinishes"]


def test_the_cluster_is_described_not_selected(job: Job) -> None:
    """`one of RayClusterSpec or ClusterSelector must be set`; with a selector there is no suspending, and
    `BackoffLimit is incompatible with ClusterSelector mode`."""
    assert job["spec"]["rayClusterSpec"]
    assert "clusterSelector" not in job["spec"]


def test_a_job_that_is_tried_again_is_not_interactive(job: Job) -> None:
    """`backoffLimit must be a positive integer`, and `BackoffLimit is incompatible with InteractiveMode`."""
    assert job["spec"]["backoffLimit"] > 0
    assert job["spec"].get("submissionMode", "K8sJobMode") != "InteractiveMode"


def test_there_is_no_deadline_or_one_that_can_be_kept(job: Job) -> None:
    """`activeDeadlineSeconds must be a positive integer`."""
    assert job["spec"].get("activeDeadlineSeconds", 1) > 0


def test_there_is_no_strategy_of_deletion_beside_shutting_down(job: Job) -> None:
    """It needs a feature gate, and `spec.shutdownAfterJobFinishes and spec.deletionStrategy.deletionRules are
    mutually exclusive`."""
    assert "deletionStrategy" not in job["spec"]


def test_the_runtime_environment_is_yaml(job: Job) -> None:
    """`UnmarshalRuntimeEnvYAML`."""
    assert isinstance(yaml.safe_load(job["spec"].get("runtimeEnvYAML", "{}")), dict)


def test_each_group_has_a_container(job: Job) -> None:
    """`headGroupSpec should have at least one container`, and the same of `workerGroupSpec`."""
    assert all(group["template"]["spec"]["containers"] for group in groups_of(job))


def test_numbers_of_workers_are_in_order(job: Job) -> None:
    """`must set both minReplicas and maxReplicas when autoscaling is disabled`, `has negative minReplicas`,
    `has minReplicas %d greater than maxReplicas %d`."""
    for workers in cluster_of(job)["workerGroupSpecs"]:
        assert 0 <= workers["minReplicas"] <= workers["replicas"] <= workers["maxReplicas"]


def test_resources_are_said_in_one_place(job: Job) -> None:
    """`resource fields should not be set in both rayStartParams and Resources`."""
    for group in groups_of(job):
        assert not group.get("resources") or not RESOURCE_PARAMETERS & set(group["rayStartParams"])


def test_labels_are_no_start_parameter(job: Job) -> None:
    """`rayStartParams['labels'] is not supported`. All start parameters are text, by the API reference."""
    for group in groups_of(job):
        assert "labels" not in group["rayStartParams"]
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())


def test_redis_is_not_named(job: Job) -> None:
    """`RAY_REDIS_ADDRESS is set which implicitly enables GCS fault tolerance, but GcsFaultToleranceOptions is
    not set`, and `cannot set redis username in rayStartParams or environment variables`."""
    assert "gcsFaultToleranceOptions" not in cluster_of(job)
    assert not {"RAY_REDIS_ADDRESS", "REDIS_USERNAME", "REDIS_PASSWORD"} & set(environment_of_head(job))
    assert "redis-username" not in cluster_of(job)["headGroupSpec"]["rayStartParams"]


def test_no_group_is_suspended(job: Job) -> None:
    """`worker group %s can be suspended only when the RayJobDeletionPolicy feature gate is enabled`."""
    assert not any(workers.get("suspend") for workers in cluster_of(job)["workerGroupSpecs"])


def test_the_autoscalers_version_is_not_set_by_the_environment(job: Job) -> None:
    """`environment variable RAY_enable_autoscaler_v2 cannot be set to '%s' when enableInTreeAutoscaling is
    false`, nor beside `.spec.autoscalerOptions.version`."""
    assert "RAY_enable_autoscaler_v2" not in environment_of_head(job)


def test_pods_are_not_restarted_beside_an_autoscaler(job: Job) -> None:
    """`restartPolicy for head Pod should be Never or unset when using autoscaler V2`, and for workers."""
    assert all(group["template"]["spec"].get("restartPolicy", "Never") == "Never" for group in groups_of(job))


def test_the_autoscaler_waits_no_negative_time(job: Job) -> None:
    """`autoscalerOptions.idleTimeoutSeconds must be non-negative`."""
    assert cluster_of(job).get("autoscalerOptions", {}).get("idleTimeoutSeconds", 0) >= 0


def test_the_autoscalers_command_is_kuberays(job: Job) -> None:
    """`autoscalerOptions.env must not contain KUBERAY_GEN_AUTOSCALER_START_CMD`."""
    variables = cluster_of(job).get("autoscalerOptions", {}).get("env", [])
    assert "KUBERAY_GEN_AUTOSCALER_START_CMD" not in {variable["name"] for variable in variables}


def test_a_ray_with_a_token_is_new_enough(job: Job) -> None:
    """`authOptions.mode is 'token' but minimum Ray version is 2.52.0`, and `K8s token auth mode is currently
    not supported for RayJob`."""
    assert cluster_of(job)["authOptions"] == {"mode": "token"}
    version = tuple(int(part) for part in cluster_of(job)["rayVersion"].split("."))
    assert version >= LEAST_RAY_WITH_TOKENS


def test_our_own_container_command_is_asked_for(job: Job) -> None:
    """Without the annotation KubeRay puts a shell before it, which does not pass SIGTERM on
    (https://docs.ray.io/en/latest/cluster/kubernetes/user-guides/pod-command.html). A RayJob hands its
    annotations to its cluster (`constructRayClusterForRayJob` in rayjob_controller.go)."""
    assert job["metadata"]["annotations"]["ray.io/overwrite-container-cmd"] == "true"
    for group in groups_of(job):
        [container] = group["template"]["spec"]["containers"]
        assert container["command"] == ["tini", "--", "bash", "-c"]
        assert container["args"] == ['ulimit -n 65536; eval "exec $KUBERAY_GEN_RAY_START_CMD"']
