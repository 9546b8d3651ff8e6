"""Two machines become a cluster by the five commands of `cluster/on_premises.yaml`, over a real ssh."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

from ablation.sweep.provenance import git_commit
from tests.cluster.files import CLUSTER, commands_of, copy_tree
from tests.cluster.machines import Machine, private_network
from tests.faults.bench import SPACE, TRIALS
from tests.faults.commands import wait_until

FILE = "cluster/on_premises.yaml"
LOOPBACK = "0100007F"
"""127.0.0.1 as proc(5) writes it."""
PATIENCE_SECONDS = 900.0
READ = """
from mlflow import MlflowClient
client = MlflowClient("http://localhost:5000")
experiment = client.get_experiment_by_name("faults").experiment_id
for run in client.search_runs([experiment], "tags.kind = 'trial'"):
    files = [file.path for file in client.list_artifacts(run.info.run_id)]
    scored = "test/bone/dsc" in run.data.metrics and "scores.json" in files
    print("recorded", run.info.status, scored, run.data.tags["git_commit"])
"""


@pytest.fixture
def machines(tmp_path: Path, tiny_heads: Path) -> Iterator[dict[str, Machine]]:
    """A laptop with a checkout, whose cluster file has the addresses of two machines."""
    with private_network(tmp_path, ["head", "worker"]) as there:
        tree = there["laptop"].home / "t1t2"
        copy_tree(tree)
        file = tree / FILE
        text = file.read_text(encoding="utf-8")
        for old, new in (
            ("192.0.2.10", there["head"].address),
            ("[192.0.2.11, 192.0.2.12]", f"[{there['worker'].address}]"),
            ("ubuntu", "root"),
            ("~/.ssh/id_ed25519", f"{tmp_path / 'key'}"),
            ("/mnt/shared", f"{tmp_path}"),
        ):
            assert old in text
            text = text.replace(old, new)
        file.write_text(text, encoding="utf-8")
        (tree / "search_spaces/faults.yaml").write_text(SPACE, encoding="utf-8")
        there["laptop"].run(f"cp -r {tiny_heads} my-cohort")
        yield there


@pytest.mark.exhaustive
def test_the_five_commands_make_use_and_leave_a_cluster(machines: dict[str, Machine]) -> None:
    laptop, head = machines["laptop"], machines["head"]
    commands = commands_of(CLUSTER.parent / FILE)

    def give(command: str) -> str:
        return laptop.run(f"cd t1t2 && {command}", seconds=PATIENCE_SECONDS)

    give(f"{commands['up']} --yes")
    both = f"ray exec {FILE} 'ray status' | grep -q '2 local.cluster.node'"
    wait_until(
        lambda: "yes" in give(f"{both} && echo yes || true"), "both machines are in", seconds=PATIENCE_SECONDS
    )
    give(f"ray rsync-up {FILE} ../my-cohort/ '~/cohort/'")
    assert head.listens_on()[5000] == {LOOPBACK}
    give(
        commands["submit"].replace("paper.yaml", "faults.yaml").replace("~/cohort", "~/cohort --preset demo")
    )
    results = head.home / "t1t2/runs/faults/results.csv"
    wait_until(results.exists, "the sweep has ended", seconds=PATIENCE_SECONDS)

    with subprocess.Popen(
        laptop.entered(f"cd t1t2 && {commands['watch']}"),
        env=laptop.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    ) as watching:
        wait_until(lambda: 5000 in laptop.listens_on(), "MLflow is within reach")
        (laptop.home / "read.py").write_text(READ, encoding="utf-8")
        recorded = laptop.run("python read.py")
        watching.kill()
    assert recorded.count(f"recorded FINISHED True {git_commit()}\n") == len(TRIALS), recorded

    give(commands["fetch"])
    assert (laptop.home / "t1t2/runs/faults/results.csv").read_bytes() == results.read_bytes()
    give(f"{commands['down']} --yes")
    assert 6379 not in head.listens_on()


def test_the_file_is_what_ray_takes() -> None:
    config = yaml.safe_load((CLUSTER / "on_premises.yaml").read_text(encoding="utf-8"))
    validate_config(prepare_config(config))
