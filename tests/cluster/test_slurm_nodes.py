"""`cluster/slurm_nodes.sh` with programs in the place of Slurm's and Ray's.

`ray symmetric-run` ends every Ray of the machine, those of other tests too.
"""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from ray.scripts.scripts import start
from ray.scripts.symmetric_run import curate_and_validate_ray_start_args

from tests.cluster.files import CLUSTER, ROOT
from tests.faults.commands import wait_until

SCRIPT = CLUSTER / "slurm_nodes.sh"
JOB = 4_200_000 + os.getpid()
PROGRAMS = {
    # What follows its options runs as it is.
    "srun": 'while [[ $1 == --* ]]; do shift; done; exec "$@"',
    "scontrol": """echo "$*" >>"$SAID/scontrol"
case $1 in getaddrs) echo "$2: 10.0.0.1:6818" ;; show) echo JobState=RUNNING ;; esac""",
    "ray": """printf '%s\\n' "$RAY_AUTH_MODE" "$@" >"$SAID/ray"
while [ "$1" != -- ]; do shift; done; shift; "$@\"""",
    "python": """printf '%s\\n' "$@" >"$SAID/python"
trap 'exit 130' TERM
[ -z "${LASTS:-}" ] || while true; do sleep 0.05; done""",
}


@pytest.fixture
def said(tmp_path: Path) -> Path:
    """A folder in which the programs say what they were given."""
    for name, text in PROGRAMS.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{text}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "said").mkdir()
    return tmp_path / "said"


@pytest.fixture
def job(said: Path) -> Iterator[dict[str, str]]:
    """The environment of a job of two nodes."""
    yield {
        **os.environ,
        "PATH": f"{said.parent}:{os.environ['PATH']}",
        "PYTHON": str(said.parent / "python"),
        "SAID": str(said),
        "SLURM_JOB_ID": str(JOB),
        "SLURM_NNODES": "2",
        "SLURM_CPUS_ON_NODE": "8",
        "SLURMD_NODENAME": "n1",
    }
    assert not list(Path("/tmp").glob(f"t1t2-{JOB}-*")), "nothing is left on the nodes"


def words(said: Path, program: str) -> list[str]:
    return (said / program).read_text(encoding="utf-8").splitlines()


def test_all_nodes_become_one_ray_and_the_first_runs_the_driver(said: Path, job: dict[str, str]) -> None:
    given = ["--space", "search_spaces/paper.yaml"]
    subprocess.run(["bash", str(SCRIPT), *given], cwd=ROOT, env=job, check=True)
    address = f"10.0.0.1:{20_000 + JOB % 10_000}"
    assert words(said, "python") == ["-m", "ablation.run", "--join", "--address", address, *given]
    token, command, *rest = words(said, "ray")
    assert (token, command) == ("token", "symmetric-run"), "not without a token: others share the network"
    options = rest[: rest.index("--")]
    assert options[:4] == ["--address", address, "--min-nodes", "2"]
    own = curate_and_validate_ray_start_args(options)
    taken = start.make_context("start", own).params
    assert (taken["num_cpus"], taken["temp_dir"]) == (8, f"/tmp/t1t2-{JOB}-0")


def test_before_the_time_is_over_the_driver_ends_and_the_job_is_queued_again(
    said: Path, job: dict[str, str]
) -> None:
    with subprocess.Popen(["bash", str(SCRIPT)], cwd=ROOT, env={**job, "LASTS": "yes"}) as shell:
        wait_until((said / "python").exists, "the driver is at work")
        shell.send_signal(signal.SIGTERM)
        assert shell.wait() == 130
    assert words(said, "scontrol")[-1] == f"requeue {JOB}"
