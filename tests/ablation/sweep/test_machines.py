"""What a cluster may grow to, as `ray up` left it written on the head."""

from pathlib import Path

import pytest
import yaml
from ray.cluster_utils import Cluster

from ablation.space.space import Resources
from ablation.sweep.cluster import connect, request_of, slots_of
from ablation.sweep.sweep import machines as growth
from t1t2core.errors import InputError

LAUNCHED = {
    "head_node_type": "head",
    "max_workers": 3,
    "available_node_types": {
        "head": {"resources": {"CPU": 0}},
        "worker": {"max_workers": 8, "resources": {"CPU": 4, "GPU": 1}},
        "unknown": {"max_workers": 2, "resources": {}},
    },
}


def test_trials_may_ask_for_machines_that_are_still_to_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "launched.yaml"
    file.write_text(yaml.safe_dump(LAUNCHED), encoding="utf-8")
    monkeypatch.setattr(growth, "LAUNCHED", file)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        with connect(cluster.address):
            request = request_of(Resources(cpus=2, gpus="auto"))
            assert request == {"cpu": 2, "gpu": 1}
            assert slots_of(request) == 3, "one on each of at most three machines"
            assert slots_of({"cpu": 2, "gpu": 0.5}) == 6
            with pytest.raises(
                InputError,
                match=r"resources\.cpus: a trial asks for 8, the largest machine of the cluster has 4",
            ):
                request_of(Resources(cpus=8))
    finally:
        cluster.shutdown()
