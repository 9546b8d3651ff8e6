"""Trials run on a cluster: that of this machine, or another that answers."""

import signal
import socket
import subprocess
import sys

import pytest
import ray

from ablation.cluster import connect, request_of
from ablation.space import Resources
from t1t2core.errors import InputError


def test_this_machine_gives_what_it_has_and_refuses_what_it_has_not() -> None:
    with connect("local"):
        assert request_of(Resources()) == {"cpu": 1.0, "gpu": float("GPU" in ray.cluster_resources())}
        assert request_of(Resources(cpus=0.5, gpus=0)) == {"cpu": 0.5, "gpu": 0.0}
        cores = ray.cluster_resources()["CPU"]
        with pytest.raises(
            InputError, match=rf"resources\.cpus: a trial asks for {cores + 1:g}, the cluster has {cores:g}"
        ):
            request_of(Resources(cpus=cores + 1))
        with pytest.raises(InputError, match=r"resources\.gpus: a trial asks for 64"):
            request_of(Resources(gpus=64))
    assert not ray.is_initialized()


def test_the_cluster_is_left_when_something_goes_wrong() -> None:
    with pytest.raises(RuntimeError, match="mine"), connect("local"):
        raise RuntimeError("mine")
    assert not ray.is_initialized()


def test_an_interrupt_waits_until_the_cluster_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    shutdown = ray.shutdown

    def interrupted() -> None:
        signal.raise_signal(signal.SIGINT)
        shutdown()

    with pytest.raises(KeyboardInterrupt), connect("local"):
        monkeypatch.setattr(ray, "shutdown", interrupted)
    assert not ray.is_initialized()


def test_an_address_where_no_cluster_answers_is_refused_before_long() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    program = f"from ablation.cluster import connect\nwith connect('{address}'): pass"
    # In a process of its own: Ray may wait for minutes, and cannot be stopped from within.
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, encoding="utf-8", timeout=60)
    assert f"InputError: no Ray cluster answers at {address}" in ended.stderr
