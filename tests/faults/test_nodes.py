"""A machine of a cluster is lost: its trials go on elsewhere."""

from collections.abc import Iterator

import pytest
from ray.cluster_utils import Cluster

from tests.faults.bench import Bench, compare
from tests.faults.commands import started, wait_until
from tests.faults.conftest import Undisturbed


@pytest.fixture
def cluster(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A head that runs no trials and two machines that run one each."""
    for name, value in bench.worker_environment.items():
        monkeypatch.setenv(name, value)
    there = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    for _ in range(2):
        there.add_node(num_cpus=1)
    there.wait_for_nodes()
    yield there
    there.shutdown()


@pytest.mark.slow
def test_a_lost_machine_costs_at_most_an_epoch(
    bench: Bench, undisturbed: Undisturbed, cluster: Cluster
) -> None:
    bench.options = ["--max-concurrent", "2", "--address", cluster.address]
    holds = [bench.order("hold", trial, 3) for trial in ("conservative 15", "conservative 9")]
    command = bench.start()
    workers = [bench.wait_for_hold(hold, command) for hold in holds]
    cluster.remove_node(cluster.list_all_nodes()[-1], allow_graceful=False)
    wait_until(lambda: not all(started(worker) for worker in workers), "a worker goes with its machine")
    for hold in holds:
        bench.release(hold)
    assert command.wait() == 0, command.said
    assert compare(bench, undisturbed.results).passed
    steps = [bench.steps(trial) for trial in ("conservative 15", "conservative 9")]
    # The lost worker may have got a step further before it went.
    assert [sorted(set(made)) for made in steps] == [[1, 2, 3, 4]] * 2
    assert sum(map(len, steps)) == 9
    assert bench.left_behind() == []


@pytest.mark.slow
def test_a_machine_that_joins_takes_over_what_a_lost_one_left(
    bench: Bench, undisturbed: Undisturbed, cluster: Cluster
) -> None:
    bench.options = ["--max-concurrent", "2", "--address", cluster.address]
    holds = {trial: bench.order("hold", trial, 3) for trial in ("conservative 15", "conservative 9")}
    command = bench.start()
    workers = {trial: bench.wait_for_hold(hold, command) for trial, hold in holds.items()}
    # The other one stays held, so that its machine has no room.
    cluster.remove_node(cluster.list_all_nodes()[-1], allow_graceful=False)
    wait_until(lambda: not all(map(started, workers.values())), "a worker goes with its machine")
    [lost] = [trial for trial, worker in workers.items() if not started(worker)]
    again = bench.order("hold", lost, 4)
    holds[lost].unlink()
    cluster.add_node(num_cpus=1)
    assert bench.wait_for_hold(again, command) not in workers.values()
    for hold in (again, *(hold for trial, hold in holds.items() if trial != lost)):
        bench.release(hold)
    assert command.wait() == 0, command.said
    assert compare(bench, undisturbed.results).passed
    assert bench.left_behind() == []
