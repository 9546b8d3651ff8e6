"""A cluster whose machines are asked one by one, and one that is not there."""

import socket
from pathlib import Path

import pytest

from ablation.sweep.doctor.finding import Status
from ablation.sweep.doctor.folders import judge_clock
from ablation.sweep.doctor.machines import Told, examine_cluster, judge
from ablation.sweep.doctor.versions import versions_here
from tests.faults.cluster import start_cluster


@pytest.mark.slow
@pytest.mark.exhaustive  # the findings have tests of their own
def test_each_machine_of_a_cluster_is_looked_at(tmp_path: Path) -> None:
    cluster = start_cluster(num_cpus=1)
    try:
        cluster.add_node(num_cpus=2, num_gpus=1, resources={"accelerator_type:T4": 1})
        findings = list(examine_cluster(cluster.address, str(tmp_path / "store")))
        no_storage = list(examine_cluster(cluster.address, "nowhere://bucket"))
    finally:
        cluster.shutdown()
    assert {finding.status for finding in findings} == {Status.OK}, [str(finding) for finding in findings]
    assert "2 machines" in findings[0].found
    assert [finding.status for finding in no_storage] == [Status.OK] * 5, "which another check has told"
    assert len(findings) == 1 + 2 * 2, "and the clock of each"
    told = [finding.found for finding in findings[1::2]]
    assert [found[:15] for found in sorted(told)] == ["1 cores, 0 GPUs", "2 cores, 1 GPUs"]
    assert all(f"torch {versions_here()['torch']}" in found for found in told)
    assert list(tmp_path.iterdir()) == []


def test_a_cluster_that_is_not_there_is_a_failure(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    findings = list(examine_cluster(address, str(tmp_path)))
    assert [finding.status for finding in findings] == [Status.FAIL]
    assert f"no Ray cluster answers at {address}" in findings[0].found


def test_an_address_that_is_none_is_a_failure(tmp_path: Path) -> None:
    findings = list(examine_cluster("no address", str(tmp_path)))
    assert [finding.status for finding in findings] == [Status.FAIL]
    assert "no address of a Ray cluster" in findings[0].found


def test_a_machine_with_another_torch_is_to_be_looked_at() -> None:
    here = versions_here()
    told = Told(versions={**here, "torch": "1.0"}, driver="580.65.06", sees=True)
    finding = judge("machine 10.0.0.2", told, "8 cores, 1 GPUs", "", here)
    assert finding.status == Status.WARN
    assert "driver 580.65.06" in finding.found
    assert f"here are torch {here['torch']}" in finding.advice


def test_a_machine_that_does_not_see_the_storage_is_a_failure() -> None:
    told = Told(versions=versions_here(), driver="", sees=False)
    finding = judge("machine 10.0.0.2", told, "8 cores, 0 GPUs", "/home/me/runs/store")
    assert finding.status == Status.FAIL
    assert "does not see the storage's folder /home/me/runs/store" in finding.found
    assert "--storage" in finding.advice
    in_a_bucket = judge("machine 10.0.0.2", told, "8 cores, 0 GPUs", "")
    assert in_a_bucket.status == Status.OK


def test_a_machine_whose_clock_is_off_by_ten_leases_is_a_failure() -> None:
    assert judge_clock("machine 10.0.0.2, clock", 0.3, "its clock").status == Status.OK
    finding = judge_clock("machine 10.0.0.2, clock", 900, "its clock")
    assert finding.status == Status.FAIL
    assert "900.0 s apart" in finding.found
